"""The verbs about enterprise catalogs, as their user runs them."""

import pytest
from support.catalog import uuid_of
from support.command import Command
from support.content import (
    CATALOG,
    CUSTOMER,
    EnterpriseCatalogs,
    Replica,
    content_course,
    content_run,
    program_document,
    run_document,
)
from werkzeug import Response

R1 = "course-v1:A+1+R1"


@pytest.fixture
def pointed(command: Command, replica: Replica, catalogs: EnterpriseCatalogs) -> Command:
    """A command whose enterprise-catalog is the test's; it has two catalogs."""
    command.env["CATALOG_ENTERPRISE_CATALOG_URL"] = catalogs.url
    command.env["CATALOG_REQUEST_RETRIES"] = "0"
    replica.add_catalog(uuid_of("another catalog"))
    catalogs.listed = {
        CATALOG: [content_course("A+1", content_run(R1)), program_document("P")],
        uuid_of("another catalog"): [content_course("A+1"), run_document("course-v1:B+1+R1", "B+1")],
    }
    return command


def test_a_refresh_reports_each_catalog_and_what_was_rebuilt(pointed: Command, replica: Replica) -> None:
    replica.add_assignment("A+1")
    told = pointed.json("refresh", "enterprise")
    loads = {load["catalog"]: load for load in told["loads"]}
    assert {load["outcome"] for load in loads.values()} == {"applied"}
    assert list(loads) == [None, *sorted([CATALOG, uuid_of("another catalog")])]
    assert loads[CATALOG]["source"] == f"enterprise:{CATALOG}"
    assert loads[CATALOG]["counts"]["catalog.content_metadata"] == {"created": 2}
    assert told["rebuild"] == {"rebuilt": 1, "moved": 0}
    crawled = {(crawl["kind"], crawl["catalog"]) for crawl in told["crawls"]}
    assert crawled == {("catalog", None), ("content", CATALOG), ("content", uuid_of("another catalog"))}
    status = {crawl["kind"]: (crawl["lists"], crawl["documents"]) for crawl in pointed.json("status")["crawls"]}
    assert status == {"catalog": (1, 2), "content": (2, 4)}
    again = pointed.json("refresh", "enterprise", "--catalog", CATALOG)
    assert [load["catalog"] for load in again["loads"]] == [CATALOG]
    assert again["rebuild"] == {"rebuilt": 0, "moved": 0}
    assert "Expirations: 0 rebuilt" in pointed("refresh", "enterprise").stdout


def test_a_catalog_that_fails_keeps_no_other_from_being_read(pointed: Command, catalogs: EnterpriseCatalogs) -> None:
    catalogs.answer = lambda request: Response("{}", 404) if CATALOG in request.path else None
    told = pointed.json("refresh", "enterprise", status=5)
    outcomes = {load["catalog"]: load["outcome"] for load in told["loads"]}
    assert outcomes == {None: "applied", CATALOG: "failed", uuid_of("another catalog"): "applied"}
    (failed,) = [load["detail"] for load in told["loads"] if load["outcome"] == "failed"]
    assert "answered 404" in failed
    alone = pointed("refresh", "enterprise", "--catalog", CATALOG, status=5)
    assert "answered 404" in alone.stderr
    assert "Nothing changed upstream" not in alone.stdout


def test_the_catalogs_are_listed_and_their_content_is_shown(pointed: Command) -> None:
    pointed("refresh", "enterprise")
    listed = {row["uuid"]: row for row in pointed.json("enterprise", "catalogs")}
    assert list(listed[CATALOG]) == [
        *("uuid", "title", "customer_uuid", "found", "not_in_catalog", "runs", "fetched_at", "missing_since"),
        "last_outcome",
    ]
    assert listed[CATALOG]["customer_uuid"] == CUSTOMER
    assert [listed[CATALOG][name] for name in ("found", "not_in_catalog", "runs")] == [2, 0, 1]
    for key in ("a+1", "A/1"):
        shown = pointed.json("enterprise", "content", key)
        assert {row["catalog_uuid"]: len(row["runs"]) for row in shown} == {CATALOG: 1, uuid_of("another catalog"): 0}
    (course,) = pointed.json("enterprise", "content", R1, "--catalog", CATALOG)
    assert (course["content_key"], course["price"], course["runs"][0]["run_key"]) == ("A+1", "150.00", R1)
    (program,) = pointed.json("enterprise", "content", uuid_of("P"))
    assert (program["content_type"], program["price"], program["runs"]) == ("program", None, [])
    (alone,) = pointed.json("enterprise", "content", "course-v1:B+1+R1")
    assert (alone["content_key"], alone["catalog_uuid"]) == (None, uuid_of("another catalog"))
    assert f"Catalog {CATALOG}" in pointed("enterprise", "content", "A+1").stdout


def test_what_is_unknown_or_malformed_is_told(pointed: Command) -> None:
    assert "no content" in pointed("enterprise", "content", "A+9", "--catalog", CATALOG, status=2).stderr
    assert "No enterprise catalog has content" in pointed("enterprise", "content", "A+9", status=2).stderr
    unknown = uuid_of("nothing")
    assert f"No enterprise catalog {unknown}" in pointed("refresh", "enterprise", "--catalog", unknown, status=2).stderr
    for verb in (("refresh", "enterprise"), ("enterprise", "content", "A+1")):
        assert "'x' is no uuid." in pointed(*verb, "--catalog", "x", status=2).stderr
    assert "--catalog is for" in pointed("refresh", "lms", "--catalog", CATALOG, status=2).stderr
    del pointed.env["CATALOG_ENTERPRISE_CATALOG_URL"]
    pointed.env["CATALOG_LMS_URL"] = "http://127.0.0.1:9"
    assert "set CATALOG_ENTERPRISE_CATALOG_URL" in pointed("refresh", "enterprise", status=2).stderr
