"""Documents that a raised version of the rules makes pending are pending wherever somebody asks."""

import pytest
from sqlalchemy import Connection
from support.catalog import Catalog, Upstream, course, run

from catalog_pipeline.database.engine import Server, connected
from catalog_pipeline.queries.doctor import doctor
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.queries.status import status

RUN = "course-v1:A+1+r"


@pytest.fixture
def loaded(catalog: Catalog, upstream: Upstream) -> Catalog:
    upstream.courses = [course("A+1", run(RUN)), course("A+2")]
    catalog.refresh()
    return catalog


def pending(connection: Connection) -> int:
    return sum(row["documents"] for row in status(connection)["pending"])


def test_a_settled_document_is_not_pending(loaded: Catalog) -> None:
    with connected(loaded.engine) as connection:
        assert pending(connection) == 0
        assert [document["decided"] for document in explain(connection, RUN)["documents"]] == [True]


@pytest.mark.parametrize("change", ["settled_rules = settled_rules - 1", "settled_hash = '\\x00'"])
def test_a_document_of_older_rules_or_another_content_is_pending_in_status_doctor_and_explain(
    loaded: Catalog, server: Server, change: str
) -> None:
    loaded.execute(f"UPDATE landing.document SET {change} WHERE kind = 'course'")
    with connected(loaded.engine) as connection:
        assert pending(connection) == 2
        assert [document["decided"] for document in explain(connection, RUN)["documents"]] == [False]
    schema = next(finding for finding in doctor(loaded.settings, server) if finding.what == "schema")
    assert schema.detail == "up to date; 2 documents pending"


def test_the_file_of_a_feed_is_never_pending(loaded: Catalog) -> None:
    loaded.execute(
        "INSERT INTO landing.document (source, scope, kind, key, payload, payload_hash)"
        " VALUES ('2u', '', 'feed', 'ab', '\\x00', '\\xab')"
    )
    with connected(loaded.engine) as connection:
        assert pending(connection) == 0
