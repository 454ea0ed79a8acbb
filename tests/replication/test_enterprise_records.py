"""Catalogs, subsidies, policies, configurations and assignments as the enterprise services list them, in one load."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from support.enterprise import Acme, Document, EnterpriseServices, assignment, uuid_of, versions_of

from catalog_pipeline.assignments.adopting import adopt
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.replication.content import EnterpriseLoad
from catalog_pipeline.replication.enterprise import load_records
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import upstreams

CUSTOMER = uuid_of("customer")
Load = Callable[..., EnterpriseLoad]


def catalog(name: str = "catalog", **fields: Any) -> Document:
    return {
        "uuid": uuid_of(name),
        "title": name,
        "enterprise_customer": CUSTOMER,
        "enterprise_customer_name": "Acme",
    } | fields


def subsidy(name: str = "subsidy", **fields: Any) -> Document:
    return {
        "uuid": uuid_of(name),
        "title": name,
        "enterprise_customer_uuid": CUSTOMER,
        "expiration_datetime": "2026-12-31T00:00:00Z",
        "is_active": True,
        "current_balance": 1_000,
        **fields,
    }


def configuration(name: str = "configuration", **fields: Any) -> Document:
    return {"uuid": uuid_of(name), "enterprise_customer_uuid": CUSTOMER, "active": True, **fields}


def policy(name: str = "policy", **fields: Any) -> Document:
    return {
        "uuid": uuid_of(name),
        "enterprise_customer_uuid": CUSTOMER,
        "access_method": "assigned",
        "catalog_uuid": uuid_of("catalog"),
        "subsidy_uuid": uuid_of("subsidy"),
        "assignment_configuration": uuid_of("configuration"),
        "aggregates": {"amount_redeemed_usd_cents": 250},
        **fields,
    }


@pytest.fixture
def load(engine: Engine, settings: Settings, services: EnterpriseServices) -> Load:
    services.lists = {
        "enterprise-catalogs": [catalog()],
        "subsidies": [subsidy()],
        "configurations": [configuration()],
        "policies": [policy()],
    }
    services.assignments = {uuid_of("configuration"): [assignment("ann"), assignment("bob")]}
    urls = dict.fromkeys(("enterprise_catalog_url", "enterprise_access_url", "subsidy_url"), services.url)
    configured = settings.model_copy(update={**urls, "request_retries": 0})

    def do(**options: Any) -> EnterpriseLoad:
        changed = options.pop("settings", {})
        with upstreams(configured.model_copy(update=changed)) as clients:
            return load_records(engine, clients, **options)

    return do


@pytest.fixture
def found(engine: Engine) -> Callable[..., list[Row]]:
    def ask(query: str) -> list[Row]:
        with connected(engine) as connection:
            return rows(connection, query)

    return ask


def applied(load: EnterpriseLoad) -> EnterpriseLoad:
    assert (load.outcome, load.detail, load.exit_code) == ("applied", None, ExitCode.DONE)
    return load


def test_all_lists_become_rows_and_an_unchanged_upstream_costs_no_writes(
    engine: Engine, load: Load, found: Callable[..., list[Row]]
) -> None:
    report = applied(load()).report
    assert (report.source, report.documents) == ("enterprise", 6)
    assert {table: dict(counts) for table, counts in report.counts.items() if counts} == {
        "catalog.enterprise_customer": {"created": 1},
        "catalog.enterprise_catalog": {"created": 1},
        "catalog.subsidy": {"created": 1},
        "catalog.assignment_configuration": {"created": 1},
        "catalog.access_policy": {"created": 1},
        "catalog.content_assignment": {"created": 2},
    }
    (row,) = found("""
        SELECT c.owner, p.spent, p.enterprise_catalog_id IS NOT NULL AS linked, s.expiration, u.name
        FROM catalog.access_policy p JOIN catalog.assignment_configuration c ON c.id = p.assignment_configuration_id
        JOIN catalog.subsidy s ON s.id = p.subsidy_id
        JOIN catalog.enterprise_customer u ON u.id = c.enterprise_customer_id""")
    assert row == {
        "owner": "enterprise_access",
        "spent": 250,
        "linked": True,
        "expiration": datetime(2026, 12, 31, tzinfo=UTC),
        "name": "Acme",
    }
    documents = "SELECT id, xmin::text FROM landing.document ORDER BY id"
    before = (versions_of(engine), found(documents))
    assert applied(load()).report.documents == 0
    assert applied(load(full=True)).report.changed == 0
    assert (versions_of(engine), found(documents)) == before


def test_a_replicated_assignment_changes_its_state_as_upstream_says(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    services.assignments[uuid_of("configuration")] = [assignment("ann", state="accepted"), assignment("bob")]
    load()
    action = {"uuid": uuid_of("action"), "action_type": "cancelled", "completed_at": "2026-02-02T00:00:00Z"}
    services.assignments[uuid_of("configuration")][0] = assignment("ann", state="cancelled", actions=[action])
    report = applied(load()).report
    assert report.documents == 1
    assert dict(report.counts["catalog.content_assignment"]) == {"updated": 1}
    assert found("SELECT state, cancelled_at FROM catalog.content_assignment WHERE state <> 'allocated'") == [
        {"state": "cancelled", "cancelled_at": datetime(2026, 2, 2, tzinfo=UTC)}
    ]
    assert [row["action_type"] for row in found("SELECT action_type FROM catalog.assignment_action")] == ["cancelled"]


def test_what_is_no_longer_listed_is_missing_and_returns_when_it_is_listed_again(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    services.lists["enterprise-catalogs"].append(catalog("second"))
    services.assignments[uuid_of("configuration")].append(assignment("carl"))
    load()
    services.lists["enterprise-catalogs"].pop()
    gone = services.assignments[uuid_of("configuration")].pop(0)
    applied(load())
    missing = """SELECT uuid::text FROM catalog.enterprise_catalog WHERE missing_since IS NOT NULL
                 UNION ALL SELECT uuid::text FROM catalog.content_assignment WHERE missing_since IS NOT NULL"""
    assert [row["uuid"] for row in found(missing)] == [uuid_of("second"), uuid_of("ann")]
    services.assignments[uuid_of("configuration")].append(gone)
    applied(load())
    assert [row["uuid"] for row in found(missing)] == [uuid_of("second")]


def test_too_many_removals_and_a_whole_list_that_is_empty_are_held_back_until_a_person_accepts_them(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    many = [assignment(f"learner{n}") for n in range(20)]
    services.assignments[uuid_of("configuration")] = many
    load()
    services.assignments[uuid_of("configuration")] = many[:10]
    services.lists["subsidies"] = []
    services.lists["policies"][0]["display_name"] = "Renamed"
    held = load()
    assert (held.outcome, held.exit_code) == ("held", ExitCode.REFUSED)
    assert "10 of the 20 rows of catalog.content_assignment" in (held.detail or "")
    missing = """SELECT count(*) AS n FROM catalog.content_assignment WHERE missing_since IS NOT NULL
                 UNION ALL SELECT count(*) FROM catalog.subsidy WHERE missing_since IS NOT NULL"""
    assert [row["n"] for row in found(missing)] == [0, 0]
    assert found("SELECT display_name FROM catalog.access_policy") == [{"display_name": "Renamed"}]
    assert found("SELECT count(*) AS n FROM ops.held_removal") == [{"n": 11}]
    applied(load(accept_removals=True))
    assert [row["n"] for row in found(missing)] == [10, 1]


@pytest.mark.parametrize("status", [500, 404])
def test_a_list_that_fails_keeps_no_other_from_being_replicated(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]], status: int
) -> None:
    services.broken["/api/v1/subsidies/"] = status
    failed = load()
    assert (failed.outcome, failed.exit_code) == ("failed", ExitCode.UNREACHABLE)
    assert "/api/v1/subsidies/" in (failed.detail or "")
    assert found("SELECT count(*) AS n FROM catalog.content_assignment") == [{"n": 2}]
    assert found("SELECT subsidy_id FROM catalog.access_policy") == [{"subsidy_id": None}]
    services.broken.clear()
    applied(load())
    assert found("SELECT subsidy_id IS NULL AS unknown FROM catalog.access_policy") == [{"unknown": False}]


def test_a_service_that_is_down_is_not_asked_for_its_other_lists(services: EnterpriseServices, load: Load) -> None:
    services.broken["/api/v1/assignment-configurations/"] = 503
    assert load().outcome == "failed"
    assert "/api/v1/subsidy-access-policies/" not in services.asked
    assert "/api/v1/subsidies/" in services.asked


def test_what_no_setting_names_is_left_as_it_is(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    load()
    applied(load(settings={"enterprise_access_url": None}))
    assert found("SELECT missing_since, owner FROM catalog.assignment_configuration") == [
        {"missing_since": None, "owner": "enterprise_access"}
    ]


def test_a_bad_document_is_rejected_alone_and_its_address_is_kept_nowhere(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    services.assignments[uuid_of("configuration")] += [
        assignment("carl", learner_email="carl at example"),
        assignment("dora", state="lost"),
        assignment("fred", uuid=None),
        assignment("erik", learner_email="ANN@example.org"),
    ]
    services.lists["policies"].append(policy("second"))
    loaded = load()
    assert (loaded.outcome, loaded.exit_code) == ("applied", ExitCode.SOME_ROWS_LEFT)
    rejects = found("""
        SELECT table_name, regexp_replace(record_key, ': .*', ''), column_name, rule, value FROM ops.rejected_record
        WHERE cleared_at IS NULL ORDER BY table_name, document_id""")
    assert [tuple(row.values()) for row in rejects] == [
        ("catalog.access_policy", uuid_of("second"), "assignment_configuration", "duplicate", uuid_of("configuration")),
        ("catalog.content_assignment", uuid_of("carl"), "learner_email", "not_an_email", None),
        ("catalog.content_assignment", uuid_of("dora"), "state", "unknown_state", "lost"),
        ("catalog.content_assignment", "without a key", "uuid", "missing", None),
        ("catalog.content_assignment", uuid_of("erik"), "learner_email", "duplicate", None),
    ]
    services.assignments[uuid_of("configuration")][2] = assignment("carl")
    del services.assignments[uuid_of("configuration")][0]
    load()
    assert found("SELECT count(*) AS n FROM ops.rejected_record WHERE cleared_at IS NULL") == [{"n": 3}]
    assert {str(row["uuid"]) for row in found("SELECT uuid FROM catalog.content_assignment")} == {
        *map(uuid_of, ("bob", "carl", "erik"))
    }


def test_a_document_that_lost_to_another_row_is_tried_again_once_that_has_changed(
    services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    load()
    services.lists["policies"] = [policy(assignment_configuration=None), policy("second")]
    assert load().exit_code == ExitCode.SOME_ROWS_LEFT
    applied(load())
    named = "SELECT uuid::text, assignment_configuration_id IS NOT NULL AS linked FROM catalog.access_policy"
    assert {row["uuid"]: row["linked"] for row in found(named)} == {uuid_of("policy"): False, uuid_of("second"): True}
    services.lists["policies"].append(policy("third"))
    assert load().exit_code == ExitCode.SOME_ROWS_LEFT
    before = found("SELECT id, xmin::text FROM landing.document ORDER BY id")
    assert applied(load()).report.documents == 0
    assert found("SELECT id, xmin::text FROM landing.document ORDER BY id") == before


def test_a_load_with_too_many_bad_documents_is_refused_whole(
    engine: Engine, services: EnterpriseServices, load: Load, found: Callable[..., list[Row]]
) -> None:
    services.assignments[uuid_of("configuration")] = [assignment(f"l{n}", state="lost") for n in range(9)]
    refused = load()
    assert (refused.outcome, refused.exit_code) == ("refused", ExitCode.REFUSED)
    assert "state unknown_state (9)" in (refused.detail or "")
    assert versions_of(engine) == []
    assert found("SELECT outcome FROM ops.load") == [{"outcome": "refused"}]


def test_what_was_imported_becomes_upstreams_once_it_lists_it(
    services: EnterpriseServices, load: Load, engine: Engine, found: Callable[..., list[Row]]
) -> None:
    acme = Acme(engine)
    acme.execute(
        """INSERT INTO catalog.content_assignment
               (uuid, assignment_configuration_id, learner_email, content_key, content_quantity)
           SELECT :uuid, id, 'ANN@example.org', 'AcmeX+LEAD10', 0 FROM catalog.assignment_configuration""",
        uuid=uuid_of("before"),
    )
    applied(load())
    assert found("SELECT owner FROM catalog.assignment_configuration") == [{"owner": "enterprise_access"}]
    assert {str(row["uuid"]) for row in found("SELECT uuid FROM catalog.content_assignment")} == {
        uuid_of("ann"),
        uuid_of("bob"),
    }


def test_an_adopted_configuration_is_no_longer_replicated(
    services: EnterpriseServices, load: Load, engine: Engine, found: Callable[..., list[Row]]
) -> None:
    load()
    services.assignments[uuid_of("configuration")][0]["state"] = "accepted"
    services.lists["configurations"][0]["active"] = False
    adopted = adopt(engine, UUID(uuid_of("configuration")), actor="cli:ann")
    assert (adopted.configuration, adopted.assignments) == (uuid_of("configuration"), 2)
    services.asked.clear()
    applied(load())
    assert not [path for path in services.asked if path.endswith("/admin/assignments/")]
    assert found("SELECT owner, active FROM catalog.assignment_configuration") == [{"owner": "here", "active": True}]
    assert {row["state"] for row in found("SELECT state FROM catalog.content_assignment")} == {"allocated"}
    assert found("SELECT count(*) AS n FROM landing.document WHERE kind = 'assignment'") == [{"n": 0}]
    before = versions_of(engine)
    assert adopt(engine, UUID(uuid_of("configuration")), actor="cli:ann").assignments == 2
    assert versions_of(engine) == before


def test_the_sample_is_replicated_whole(engine: Engine, settings: Settings) -> None:
    with upstreams(settings.model_copy(update={"sample_courses": 60})) as clients:
        first = load_records(engine, clients)
        assert not first.errors, first.detail
        assert first.report.counts["catalog.content_assignment"]["created"] > 0
        before = versions_of(engine)
        again = load_records(engine, clients)
    assert (again.report.documents, again.report.changed) == (0, 0)
    assert versions_of(engine) == before
