"""What no upstream serves, from a file: in any order, judged field by field, written only where it differs."""

from pathlib import Path
from typing import Any

import pytest
from support.enterprise import Acme, json_lines, uuid_of

from catalog_pipeline.enterprise.importing import import_records
from catalog_pipeline.enterprise.report import ImportReport

CUSTOMER = {
    "kind": "customer",
    "uuid": uuid_of("customer"),
    "name": "Acme Inc.",
    "slug": "acme",
    "contact_email": "admin@acme.example",
}
CATALOG = {
    "kind": "catalog",
    "uuid": uuid_of("catalog"),
    "title": "Leadership",
    "enterprise_customer": uuid_of("customer"),
    "enterprise_customer_name": "ACME",
}
SUBSIDY = {
    "kind": "subsidy",
    "uuid": uuid_of("subsidy"),
    "title": "2026",
    "enterprise_customer_uuid": uuid_of("customer"),
    "expiration_datetime": "2026-12-31T23:59:59Z",
    "is_active": True,
    "current_balance": 500_000,
}
CONFIGURATION = {"kind": "configuration", "uuid": uuid_of("new"), "enterprise_customer_uuid": uuid_of("customer")}
POLICY = {
    "kind": "policy",
    "uuid": uuid_of("policy"),
    "enterprise_customer_uuid": uuid_of("customer"),
    "access_method": "assigned",
    "policy_type": "AssignedLearnerCreditAccessPolicy",
    "display_name": "Leaders",
    "catalog_uuid": uuid_of("catalog"),
    "subsidy_uuid": uuid_of("subsidy"),
    "assignment_configuration": {"uuid": uuid_of("new"), "active": True},
    "group_associations": [uuid_of("group")],
    "aggregates": {"amount_redeemed_usd_cents": -12_500},
    "spend_limit": 400_000,
    "created": "2025-01-01T00:00:00Z",
}
LEARNER = {
    "kind": "learner",
    "enterprise_customer_uuid": uuid_of("customer"),
    "lms_user_id": 7,
    "email": "Ann@Example.org",
    "group_uuids": [uuid_of("group")],
}
ALL = (LEARNER, POLICY, CONFIGURATION, SUBSIDY, CATALOG, CUSTOMER)


@pytest.fixture
def imported(acme: Acme, tmp_path: Path) -> Any:
    def do(*records: Any, dry_run: bool = False) -> ImportReport:
        return import_records(
            acme.engine, json_lines(tmp_path / "records.jsonl", *records), actor="cli:ann", dry_run=dry_run
        )

    return do


def outcomes(report: ImportReport) -> list[str]:
    return [row.outcome for row in report.rows]


def rules(report: ImportReport) -> list[list[tuple[str, str | None]]]:
    return [[(error.rule, error.column) for error in row.errors] for row in report.rows]


def test_records_come_in_any_order_and_the_same_file_again_writes_nothing(acme: Acme, imported: Any) -> None:
    report = imported(*ALL)
    assert report.counts == {"rows": 6, "created": 5, "updated": 1, "unchanged": 0, "rejected": 0}
    assert [row.uuid for row in report.rows] == [None, *(record["uuid"] for record in ALL[1:])]
    (policy,) = acme.rows("""
        SELECT p.*, c.uuid::text AS catalog, s.uuid::text AS subsidy, a.uuid::text AS configuration, a.owner
        FROM catalog.access_policy p JOIN catalog.enterprise_catalog c ON c.id = p.enterprise_catalog_id
        JOIN catalog.subsidy s ON s.id = p.subsidy_id
        JOIN catalog.assignment_configuration a ON a.id = p.assignment_configuration_id""")
    assert (policy["catalog"], policy["subsidy"]) == (uuid_of("catalog"), uuid_of("subsidy"))
    assert (policy["configuration"], policy["owner"]) == (uuid_of("new"), "here")
    assert (policy["spent"], policy["spend_limit"], policy["retired"]) == (12_500, 400_000, False)
    assert [str(group) for group in policy["group_uuids"]] == [uuid_of("group")]
    (customer,) = acme.rows("SELECT name, slug, contact_email FROM catalog.enterprise_customer")
    assert customer == {"name": "Acme Inc.", "slug": "acme", "contact_email": "admin@acme.example"}
    (learner,) = acme.rows("SELECT lms_user_id, email, group_uuids FROM catalog.enterprise_learner")
    assert (learner["lms_user_id"], learner["email"]) == (7, "Ann@Example.org")
    before = acme.versions()
    assert outcomes(imported(*ALL)) == ["unchanged"] * 6
    assert acme.versions() == before


def test_a_policy_finds_what_it_names_whenever_that_comes(acme: Acme, imported: Any) -> None:
    linked = """SELECT enterprise_catalog_id IS NOT NULL AS catalog, subsidy_id IS NOT NULL AS subsidy,
                       assignment_configuration_id IS NOT NULL AS configuration FROM catalog.access_policy"""
    imported(POLICY)
    assert acme.rows(linked) == [{"catalog": False, "subsidy": False, "configuration": False}]
    imported(CATALOG, CONFIGURATION)
    imported(SUBSIDY)
    assert acme.rows(linked) == [{"catalog": True, "subsidy": True, "configuration": True}]


def test_a_customer_that_is_only_named_gets_a_row_and_the_name_that_its_catalog_says(acme: Acme, imported: Any) -> None:
    imported(
        {**CATALOG, "enterprise_customer": uuid_of("other")}, {**SUBSIDY, "enterprise_customer_uuid": uuid_of("x")}
    )
    found = acme.rows("SELECT uuid::text, name FROM catalog.enterprise_customer")
    assert {row["uuid"]: row["name"] for row in found} == {
        uuid_of("customer"): "Acme",
        uuid_of("other"): "ACME",
        uuid_of("x"): None,
    }


def test_an_absent_field_keeps_what_stands_and_a_null_clears_it(acme: Acme, imported: Any) -> None:
    imported(*ALL)
    report = imported(
        {"kind": "subsidy", "uuid": uuid_of("subsidy"), "current_balance": 1},
        {"kind": "customer", "uuid": uuid_of("customer"), "slug": None},
        {"kind": "policy", "uuid": uuid_of("policy"), "retired": None, "spend_limit": None},
    )
    assert outcomes(report) == ["updated"] * 3
    (subsidy,) = acme.rows("SELECT title, expiration_raw, current_balance FROM catalog.subsidy")
    assert subsidy == {"title": "2026", "expiration_raw": "2026-12-31T23:59:59Z", "current_balance": 1}
    assert acme.rows("SELECT name, slug FROM catalog.enterprise_customer") == [{"name": "Acme Inc.", "slug": None}]
    assert acme.rows("SELECT retired, spend_limit, spent FROM catalog.access_policy") == [
        {"retired": False, "spend_limit": None, "spent": 12_500}
    ]


def test_a_subsidys_expiration_that_cannot_be_read_is_kept_as_it_is_written(acme: Acme, imported: Any) -> None:
    assert outcomes(imported({**SUBSIDY, "expiration_datetime": "end of 2026"})) == ["created"]
    assert acme.rows("SELECT expiration, expiration_raw FROM catalog.subsidy") == [
        {"expiration": None, "expiration_raw": "end of 2026"}
    ]


def test_every_wrong_record_is_rejected_with_its_reason(imported: Any) -> None:
    report = imported(
        "1",
        {"uuid": uuid_of("a")},
        {"kind": "budget", "uuid": uuid_of("a")},
        {"kind": {}},
        {"kind": "customer", "uuid": "acme", "contact_email": "admin"},
        {"kind": "customer"},
        {"kind": "catalog", "uuid": uuid_of("a")},
        {**SUBSIDY, "current_balance": 1.5, "is_active": "yes", "expiration_datetime": 2026},
        {**POLICY, "access_method": "free", "spend_limit": -1, "group_associations": ["x"], "created": "2025"},
        {**LEARNER, "lms_user_id": 0, "email": None},
        CATALOG,
    )
    assert rules(report) == [
        [("not_an_object", None)],
        [("missing", "kind")],
        [("unknown_value", "kind")],
        [("unknown_value", "kind")],
        [("not_an_email", "contact_email"), ("not_a_uuid", "uuid")],
        [("missing", "uuid")],
        [("missing", "enterprise_customer")],
        [("not_a_number", "current_balance"), ("not_an_instant", "expiration_datetime"),
         ("not_text", "expiration_datetime"), ("not_a_flag", "is_active")],
        [("unknown_value", "access_method"), ("not_an_instant", "created"), ("not_a_uuid", "group_associations"),
         ("not_a_number", "spend_limit")],
        [("missing", "email"), ("not_a_number", "lms_user_id")],
        [],
    ]  # fmt: skip


def test_a_number_that_is_too_small_or_too_large_is_told_with_its_bounds(imported: Any) -> None:
    (row,) = imported({**POLICY, "per_learner_enrollment_limit": 2**31}).rows
    assert row.errors[0].message == (
        "per_learner_enrollment_limit is not a whole number of at least 0 and at most 2147483647."
    )


def test_what_is_there_twice_is_a_duplicate_of_the_earlier_row(imported: Any) -> None:
    report = imported(
        *(CUSTOMER, CUSTOMER, POLICY, {**POLICY, "uuid": uuid_of("second")}),
        *(LEARNER, {**LEARNER, "email": "b@example.org"}, {**LEARNER, "lms_user_id": 8, "email": "ANN@example.org"}),
    )
    assert rules(report) == [
        [],
        [("duplicate", "uuid")],
        [],
        [("duplicate", "assignment_configuration")],
        [],
        [("duplicate", "lms_user_id")],
        [("duplicate", "email")],
    ]
    assert report.rows[6].errors[0].message == "Row 5 has the same customer and email."
    again = imported({**POLICY, "uuid": uuid_of("second")}, {**LEARNER, "lms_user_id": 8})
    assert rules(again) == [[("duplicate", "assignment_configuration")], [("duplicate", "email")]]
    assert again.rows[1].errors[0].message == "Learner 7 of this customer has the same email."


def test_what_an_upstream_lists_is_owned_elsewhere_but_for_a_customers_own_fields(acme: Acme, imported: Any) -> None:
    imported(*ALL)
    acme.execute("""
        WITH document AS (
            INSERT INTO landing.document (source, scope, kind, key, payload, payload_hash)
            VALUES ('enterprise', '', 'catalog', 'x', '', '') RETURNING id)
        UPDATE catalog.enterprise_catalog SET listed_by_id = (SELECT id FROM document)""")
    acme.execute("UPDATE catalog.assignment_configuration SET owner = 'enterprise_access'")
    report = imported({**CATALOG, "title": "Mine"}, CONFIGURATION, {**CUSTOMER, "name": "Acme"})
    assert rules(report) == [[("owned_elsewhere", "uuid")], [("owned_elsewhere", "uuid")], []]
    acme.execute("UPDATE catalog.enterprise_catalog SET missing_since = now()")
    assert outcomes(imported({**CATALOG, "title": "Mine"})) == ["updated"]
    (catalog,) = acme.rows("SELECT title, listed_by_id, missing_since FROM catalog.enterprise_catalog")
    assert catalog == {"title": "Mine", "listed_by_id": None, "missing_since": None}


def test_a_learner_who_becomes_known_gives_his_assignments_his_id(acme: Acme, imported: Any) -> None:
    acme.execute(
        """INSERT INTO catalog.content_assignment
               (assignment_configuration_id, learner_email, lms_user_id, content_key, content_quantity)
           SELECT id, email, lms_user_id, key, 0 FROM catalog.assignment_configuration, (VALUES
               ('ANN@example.org', NULL, 'A+1'), ('ann@example.org', NULL, 'A+2'), ('old@example.org', 7, 'A+2'),
               ('bob@example.org', NULL, 'A+1')) v (email, lms_user_id, key)"""
    )
    imported(LEARNER)
    found = acme.rows(
        "SELECT lower(learner_email) AS email, content_key, lms_user_id FROM catalog.content_assignment ORDER BY 1, 2"
    )
    assert [tuple(row.values()) for row in found] == [
        ("ann@example.org", "A+1", 7),
        ("ann@example.org", "A+2", None),  # the learner has this content by an assignment to another address
        ("bob@example.org", "A+1", None),
        ("old@example.org", "A+2", 7),
    ]


def test_a_dry_run_reports_the_same_and_writes_nothing(acme: Acme, imported: Any) -> None:
    before = acme.versions()
    planned = imported(*ALL, "x", dry_run=True)
    assert acme.versions() == before
    assert planned == imported(*ALL, "x")
