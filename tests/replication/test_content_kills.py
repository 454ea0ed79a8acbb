"""A load of a catalog's content that is killed between any two statements: nothing is half written, nothing is lost."""

from typing import Any

import pytest
from support.content import CATALOG, EnterpriseCatalogs, Replica, content_course, content_run, run_document
from support.killing import killed

from catalog_pipeline.loading.pending import PENDING

BEFORE = [
    content_course("A+1", content_run("course-v1:A+1+R1"), content_run("course-v1:A+1+R2")),
    content_course("A+2", title="Old"),
    content_course("A+3", content_run("course-v1:A+1+R1", start="2026-05-01T00:00:00Z")),
    run_document("course-v1:A+1+R2", "A+1"),
    {"content_type": "course", "title": "Without a key"},
]
AFTER = [
    content_course("A+1", content_run("course-v1:A+1+R1", start="2026-04-01T00:00:00Z")),
    content_course("A+2", title="New"),
    content_course("A+4", content_run("course-v1:A+4+R1")),
    run_document("course-v1:A+1+R2", "A+1"),
]


def seen(replica: Replica) -> list[list[tuple[Any, ...]]]:
    """What readers see of the content."""
    content = "content_key, title, status, listed, content_hash, advertised_run_key, start"
    runs = "run_key, start, status, missing_since IS NULL, content_metadata_id IS NULL"
    return [replica.content(content), replica.runs(runs), replica.rejects()]


@pytest.mark.parametrize("first", range(4))
def test_a_load_that_is_killed_between_any_two_statements_is_healed_by_the_next(
    replica: Replica, catalogs: EnterpriseCatalogs, first: int
) -> None:
    for key in ("A+3", "A+4", "A+9"):
        replica.add_assignment(key)
    lists = {"before": BEFORE, "after": AFTER}
    states: dict[str, list[list[tuple[Any, ...]]]] = {}
    for name in ("before", "after", "before", "after", "before"):  # each as it is after the other one
        catalogs.listed[CATALOG] = lists[name]
        replica.load()
        states[name] = seen(replica)
    at, standing, coming = 1 + first, "before", "after"
    catalogs.listed[CATALOG] = lists[coming]
    while killed(replica.engine, at, replica.load):
        assert seen(replica) in (states[standing], states[coming])
        replica.load()
        assert seen(replica) == states[coming]
        assert replica.value(f"SELECT count(*) FROM landing.document d WHERE {PENDING}") == 0
        at, standing, coming = at + 4, coming, standing
        catalogs.listed[CATALOG] = lists[coming]
    assert at > 20
