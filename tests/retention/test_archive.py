"""Archiving old change events: what is now stays as it is, and nothing is lost on the way."""

import csv
import io
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from support.histories import FIRST, live

from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.retention import archive as archiving
from catalog_pipeline.retention.archive import ArchiveError, archive, plan
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import FrozenDaysError, build

MODELS = {model.name: model for model in load_models()}
DAY = FIRST.date() + timedelta(days=7)
STORED = (
    "SELECT xid::text, id, at, entity, entity_id, key, action, changes, actor, login FROM ops.change_event ORDER BY id"
)


def rows(engine: Engine, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connected(engine) as connection:
        return [tuple(row) for row in connection.execute(text(query), parameters)]


def of_model(connection: Connection, name: str, where: str = "true") -> list[tuple[Any, ...]]:
    sql = MODELS[name].sql.replace(":", "\\:")
    return sorted(
        (tuple(row) for row in connection.execute(text(f"SELECT * FROM ({sql}) AS m WHERE {where}"))), key=repr
    )


def snapshots(engine: Engine, days: list[date]) -> list[Any]:
    """The daily counts of each of these days, by itself."""
    found = []
    with connected(engine) as connection:
        for day in days:
            for setting in ("catalog.first_day", "catalog.last_day"):
                connection.execute(text("SELECT set_config(:name, :day, true)"), {"name": setting, "day": str(day)})
            found.append(of_model(connection, "catalog_daily"))
    return found


def versions(engine: Engine, where: str = "true") -> list[tuple[Any, ...]]:
    """The versions of runs. One that only a wrong clock stamped began now, which moves; nothing else does."""
    with connected(engine) as connection:
        found = of_model(connection, "run_history", where)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return [
        tuple(None if value and index in (2, 3) and value > yesterday else value for index, value in enumerate(row))
        for row in found
    ]


def lived(engine: Engine, seed: int = 1, *, first: datetime = FIRST) -> Engine:
    with connected(engine) as connection:
        live(connection, Random(seed), 100, first=first)
    return engine


def content(file: Path) -> list[dict[str, str]]:
    with file.open("rb") as stream:
        text_ = zstandard.ZstdDecompressor().stream_reader(stream).read().decode()
    return list(csv.DictReader(io.StringIO(text_)))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_now_and_the_days_that_are_not_archived_come_out_as_before(
    engine: Engine, tmp_path: Path, seed: int
) -> None:
    days = [DAY]
    for round_ in range(2):
        first = FIRST + timedelta(days=20 * round_)
        lived(engine, seed + 100 * round_, first=first)
        day = first.date() + timedelta(days=7)
        days = [day + timedelta(days=n) for n in range(12)] + [datetime.now(UTC).date()]
        before = snapshots(engine, days), versions(engine, "valid_to IS NULL")
        all_versions, stored = versions(engine), rows(engine, STORED)
        done = archive(engine, day, tmp_path / f"{round_}.zst", "test")
        assert (snapshots(engine, days), versions(engine, "valid_to IS NULL")) == before
        assert set(versions(engine)) < set(all_versions)
        left = rows(engine, STORED)
        assert len(stored) == done.events + len(left) - done.baselines
        assert [int(row["id"]) for row in content(tmp_path / f"{round_}.zst")] == [
            row[1] for row in stored[: done.events]
        ]
        assert left[done.baselines :] == stored[done.events :]


def test_the_file_holds_each_event_as_it_was(engine: Engine, tmp_path: Path) -> None:
    lived(engine)
    stored = rows(engine, STORED)
    done = archive(engine, DAY, tmp_path / "a.zst", "test")
    assert (tmp_path / "a.zst").stat().st_mode & 0o777 == 0o600
    with connected(engine) as connection:
        connection.execute(text("CREATE TEMP TABLE restored (LIKE ops.change_event)"))
        data = zstandard.ZstdDecompressor().stream_reader((tmp_path / "a.zst").read_bytes()).read()
        raw: Any = connection.connection.driver_connection
        with (
            raw.cursor() as cursor,
            cursor.copy(f"COPY restored ({archiving.COLUMNS}) FROM STDIN (FORMAT csv, HEADER)") as copying,
        ):
            copying.write(data)
        restored = connection.execute(text(STORED.replace("ops.change_event", "restored"))).all()
    assert [tuple(row) for row in restored] == stored[: done.events]
    assert rows(engine, "SELECT before_day, events, baselines, sha256 FROM ops.history_archive") == [
        (DAY, done.events, done.baselines, done.sha256)
    ]


def test_a_baseline_has_all_that_was_set_of_a_row_that_lived_and_who_wrote_it_last(
    engine: Engine, tmp_path: Path
) -> None:
    lived(engine)
    alive = rows(
        engine,
        """SELECT DISTINCT ON (entity, entity_id) id, entity, entity_id, '0', actor, action FROM ops.change_event
           WHERE id < (SELECT min(id) FROM ops.change_event WHERE at BETWEEN :day AND now())
           ORDER BY entity, entity_id, id DESC""",
        day=datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC),
    )
    archive(engine, DAY, tmp_path / "a.zst", "test")
    found = rows(
        engine, "SELECT id, entity, entity_id, xid::text, actor FROM ops.change_event WHERE action = 'baseline'"
    )
    assert sorted(found) == sorted(row[:5] for row in alive if row[5] != "deleted")
    untouched = rows(
        engine,
        """SELECT e.changes #>> '{status,1}', e.changes #>> '{run_key,1}', r.status, r.run_key
           FROM ops.change_event e JOIN catalog.course_run r ON r.id = e.entity_id AND e.entity = 'course_run'
           WHERE e.action = 'baseline' AND NOT EXISTS (
               SELECT FROM ops.change_event l
               WHERE l.entity = e.entity AND l.entity_id = e.entity_id AND l.id > e.id)""",
    )
    assert untouched
    assert all(told[:2] == told[2:] for told in untouched)


def test_days_that_are_archived_keep_their_snapshot_and_are_not_built_again(engine: Engine, tmp_path: Path) -> None:
    lived(engine)
    with connected(engine) as connection:
        build(connection, MODELS["catalog_daily"], (DAY - timedelta(days=2), DAY))
    built = rows(engine, "SELECT * FROM marts.catalog_daily ORDER BY 1, 2, 3")
    told = plan(engine, DAY, tmp_path / "a.zst")
    assert archive(engine, DAY, tmp_path / "a.zst", "test").unbuilt_days == told.unbuilt_days == 7
    with connected(engine) as connection:
        with pytest.raises(FrozenDaysError, match=f"Choose days from {DAY} on"):
            build(connection, MODELS["catalog_daily"], (DAY - timedelta(days=1), DAY))
        build(connection, MODELS["catalog_daily"], (DAY, DAY))
        connection.execute(text("SELECT set_config('catalog.first_day', :day, true)"), {"day": "2026-05-01"})
        with pytest.raises(DBAPIError, match="is archived"):
            connection.execute(text("SELECT marts.first_event()"))
    assert rows(engine, "SELECT * FROM marts.catalog_daily ORDER BY 1, 2, 3") == built


@pytest.mark.parametrize(("day", "begins_anew"), [(DAY, False), (datetime.now(UTC).date() - timedelta(days=1), True)])
def test_a_reader_whose_last_event_was_archived_begins_anew_and_others_go_on(
    engine: Engine, tmp_path: Path, day: date, begins_anew: bool
) -> None:
    lived(engine)
    with connected(engine) as connection:
        cursor = events.now(connection)
    archive(engine, day, tmp_path / "a.zst", "test")
    with connected(engine) as connection:
        reading = events.read(connection, cursor, "SELECT e.id FROM ops.change_event e WHERE {new}")
        assert (reading is None) == begins_anew
        assert reading is None or not reading.rows


@pytest.mark.parametrize(
    ("day", "prepare", "said"),
    [
        (datetime.now(UTC).date(), None, "still builds the snapshot of yesterday"),
        (DAY, lambda folder: (folder / "a.zst").write_text("mine"), "exists, and is not overwritten"),
        (DAY, lambda folder: folder.rmdir(), "is no folder"),
        (date(2020, 1, 1), None, "Nothing happened before 2020-01-01"),
    ],
)
def test_what_cannot_be_archived_says_why_and_nothing_is_touched(
    engine: Engine, tmp_path: Path, day: date, prepare: Callable[[Path], Any] | None, said: str
) -> None:
    lived(engine)
    folder = tmp_path / "archives"
    folder.mkdir()
    if prepare:
        prepare(folder)
    stored, held = rows(engine, STORED), [file.read_bytes() for file in folder.glob("*")]
    with pytest.raises(UsageError, match=said):
        plan(engine, day, folder / "a.zst")
    with pytest.raises(UsageError, match=said):
        archive(engine, day, folder / "a.zst", "test")
    assert rows(engine, STORED) == stored
    assert [file.read_bytes() for file in folder.glob("*")] == held


def test_what_is_archived_already_is_not_archived_again(engine: Engine, tmp_path: Path) -> None:
    archive(lived(engine), DAY, tmp_path / "a.zst", "test")
    with pytest.raises(UsageError, match="is archived already"):
        archive(engine, DAY, tmp_path / "b.zst", "test")


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("step", ["_copy", "_check", "link", "_sync_folder", "_remember"])
def test_a_kill_at_any_step_loses_nothing_and_another_try_succeeds(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stored = rows(lived(engine), STORED)
    file = tmp_path / "a.zst"

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(os if step == "link" else archiving, step, die)
        with pytest.raises(Killed):
            archive(engine, DAY, file, "test")
    assert rows(engine, STORED) == stored
    complete = step in ("_sync_folder", "_remember")
    assert file.exists() == complete
    another = tmp_path / "b.zst" if complete else file
    done = archive(engine, DAY, another, "test")
    assert len(content(another)) == done.events
    if complete:
        assert content(file) == content(another)


def test_a_file_that_does_not_hold_what_was_written_is_not_trusted(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = rows(lived(engine), STORED)
    copy = archiving._copy  # pyright: ignore[reportPrivateUsage]

    def forget(connection: Connection, cut: int, out: Any) -> tuple[int, str]:
        found = copy(connection, cut, out)
        out.seek(0)
        out.truncate()
        out.write(zstandard.compress(b"something else"))
        return found

    monkeypatch.setattr(archiving, "_copy", forget)
    with pytest.raises(ArchiveError, match="No event was removed"):
        archive(engine, DAY, tmp_path / "a.zst", "test")
    assert rows(engine, STORED) == stored
    assert not (tmp_path / "a.zst").exists()
