"""Imports and loads of records that are killed between any two statements, or done by two at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, event
from support.enterprise import Acme, EnterpriseServices, assignment, json_lines, uuid_of
from support.killing import killed

from catalog_pipeline.assignments.importing import import_assignments
from catalog_pipeline.database.rows import Row
from catalog_pipeline.enterprise.importing import import_records
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.replication.enterprise import load_records
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import upstreams

STEP = 5
"""Statements between two kills, so that the tests stay short; each begins with another statement."""


def states(acme: Acme) -> list[list[Row]]:
    """What readers see, without ids."""
    return [
        acme.rows(f"SELECT {columns} FROM catalog.{table} ORDER BY 1, 2")
        for table, columns in (
            ("content_assignment", "uuid, state, content_title, missing_since IS NULL AS listed"),
            ("assignment_action", "uuid, action_type"),
            ("subsidy", "uuid, title, missing_since IS NULL AS listed"),
            ("enterprise_learner", "lms_user_id, email"),
            ("assignment_expiration", "content_assignment_id, expires_at"),
        )
    ]


def holds(acme: Acme, work: Callable[[], object]) -> None:
    """Make sure that work that is killed anywhere leaves what was before, and is done when it is begun again."""
    before, at = states(acme), 1
    while killed(acme.engine, at, work):
        assert states(acme) == before
        assert acme.rows("SELECT FROM ops.load") == []
        at += STEP
    assert at > 2 * STEP
    assert states(acme) != before


def test_an_import_of_assignments_that_is_killed_has_written_nothing(acme: Acme, tmp_path: Path) -> None:
    action = {"uuid": uuid_of("action"), "action_type": "notified", "completed_at": "2026-01-06T00:00:00Z"}
    file = json_lines(tmp_path / "assignments.jsonl", assignment("ann", actions=[action]), assignment("bob"), "x")
    holds(acme, partial(import_assignments, acme.engine, file, actor="cli:ann"))


def test_an_import_of_records_that_is_killed_has_written_nothing(acme: Acme, tmp_path: Path) -> None:
    customer = {"enterprise_customer_uuid": uuid_of("customer")}
    file = json_lines(
        tmp_path / "records.jsonl",
        {"kind": "subsidy", "uuid": uuid_of("subsidy"), "title": "2026", **customer},
        {"kind": "learner", "lms_user_id": 7, "email": "ann@example.org", **customer},
    )
    holds(acme, partial(import_records, acme.engine, file, actor="cli:ann"))


def test_the_same_file_twice_at_once_is_written_once(acme: Acme, tmp_path: Path) -> None:
    file = json_lines(tmp_path / "assignments.jsonl", *(assignment(f"learner{n}") for n in range(50)))
    with ThreadPoolExecutor(2) as pool:
        work = partial(import_assignments, acme.engine, file, actor="cli:ann")
        reports = [future.result() for future in [pool.submit(work), pool.submit(work)]]
    assert sorted(report.counts["created"] for report in reports) == [0, 50]
    assert sorted(report.counts["unchanged"] for report in reports) == [0, 50]


def test_a_load_of_records_that_is_killed_is_healed_by_the_next(
    engine: Engine, acme: Acme, services: EnterpriseServices, settings: Settings
) -> None:
    customer = {"enterprise_customer_uuid": uuid_of("customer")}
    services.lists["configurations"] = [{"uuid": uuid_of("configuration"), "active": True, **customer}]
    urls = dict.fromkeys(("enterprise_access_url", "subsidy_url"), services.url)

    def upstream_has(title: str, *learners: str) -> None:
        services.lists["subsidies"] = [{"uuid": uuid_of("subsidy"), "title": title, **customer}]
        services.assignments[uuid_of("configuration")] = [assignment(one, content_title=title) for one in learners]

    def load() -> None:
        with upstreams(settings.model_copy(update=urls)) as clients:
            assert not load_records(engine, clients).errors

    seen = {}
    worlds = {"old": ("Old", "ann", "bob"), "new": ("New", "bob", "carl")}
    for name in ("old", "new", "old"):  # each as it is after the other one
        upstream_has(*worlds[name])
        load()
        seen[name] = states(acme)
    at, standing, coming = 1, "old", "new"
    upstream_has(*worlds[coming])
    while killed(engine, at, load):
        assert states(acme) in (seen[standing], seen[coming])
        load()
        assert states(acme) == seen[coming]
        assert acme.rows(f"SELECT FROM landing.document d WHERE {PENDING}") == []
        at, standing, coming = at + 7, coming, standing
        upstream_has(*worlds[coming])
    assert at > 40


def test_statements_are_as_many_for_many_rows_as_for_one(acme: Acme, tmp_path: Path) -> None:
    told: list[int] = []
    event.listen(acme.engine, "before_cursor_execute", lambda *_: told.append(1))
    counts = []
    for number in (1, 200):
        rows = [assignment(f"{number}-{n}", actions=[{"action_type": "notified"}]) for n in range(number)]
        told.clear()
        import_assignments(acme.engine, json_lines(tmp_path / f"{number}.jsonl", *rows), actor="cli:ann")
        counts.append(len(told))
    assert counts[0] == counts[1]
