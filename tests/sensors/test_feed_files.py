"""Partners' files: seen when they are finished, ingested in the order in which they arrived, each a partition."""

import gzip
import os
import time
from datetime import datetime
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance
from psycopg.errors import AdminShutdown
from sqlalchemy.exc import OperationalError
from support.feeds import TYPE, FedCatalog, csv_of, fed

from assets import feeds
from assets.feeds import FEEDS, KEY
from catalog_pipeline.database.engine import connected
from catalog_pipeline.definitions import build_defs
from catalog_pipeline.errors import DatabaseError, UsageError
from catalog_pipeline.partner import ingestion
from catalog_pipeline.partner.arrivals import accept
from catalog_pipeline.partner.columns import RawFeed
from catalog_pipeline.partner.configuration import SHIPPED
from catalog_pipeline.partner.folder import Listing, list_folder
from catalog_pipeline.partner.ingestion import Options
from catalog_pipeline.partner.queue import drop, find_arrival, ingest_arrival, put_back, set_aside, waiting
from catalog_pipeline.partner.reading import Limits
from catalog_pipeline.settings import Settings
from sensors.feed_files import feed_files


class Daemon:
    """Ticks the sensor; starts what it requests at once, unless it is told to leave it. It may die after a tick."""

    def __init__(self, defs: dg.Definitions, instance: DagsterInstance) -> None:
        self.defs = defs
        self.instance = instance
        self.cursor: str | None = None

    def tick(self, *, start: bool = True, dies: bool = False) -> list[str]:
        """The partitions that a tick requests runs of."""
        with dg.build_sensor_context(
            instance=self.instance,
            # With it, Dagster sees the partitions that the tick itself requests, as it does in the daemon.
            instance_ref=self.instance.get_ref(),
            cursor=self.cursor,
            definitions=self.defs,
            # Only what the sensor asks for: to open the upstreams would deliver feeds of the sample.
            resources={name: (self.defs.resources or {})[name] for name in ("database", "settings")},
        ) as context:
            self.result = feed_files.evaluate_tick(context)
        if dies:
            return []
        for request in self.result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        self.cursor = self.result.cursor
        keys = [str(request.partition_key) for request in self.result.run_requests or []]
        for key in keys if start else []:
            self.ingest(key)
        return keys

    def ingest(self, key: str, **config: bool) -> dg.ExecuteInProcessResult:
        """Run the job of one feed."""
        given = {"ops": {"feeds__partner": {"config": config}}} if config else None
        job = self.defs.resolve_job_def("ingest_feed")
        return job.execute_in_process(instance=self.instance, partition_key=key, run_config=given, raise_on_error=False)

    def ingest_by_night(self) -> dg.ExecuteInProcessResult:
        """Run the job of the night."""
        job = self.defs.resolve_job_def("ingest_feeds")
        return job.execute_in_process(instance=self.instance, raise_on_error=False)


@pytest.fixture
def instance(instance_with_files: DagsterInstance) -> DagsterInstance:
    """An instance with files: of one in memory, a tick does not see the partitions that it requests itself."""
    return instance_with_files


@pytest.fixture(autouse=True)
def _files_are_finished_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The night waits between its two looks at the folders, for files that are still being written."""
    monkeypatch.setattr(feeds, "SETTLING", 0.01)


@pytest.fixture
def daemon(defs: dg.Definitions, instance: DagsterInstance) -> Daemon:
    return Daemon(defs, instance)


@pytest.fixture
def folder(deployed: Settings) -> Path:
    made = deployed.feeds_folder / "2u" / TYPE
    made.mkdir(parents=True)
    return made


def partitions(instance: DagsterInstance) -> list[str]:
    return sorted(instance.get_dynamic_partitions(str(FEEDS.name)))


def test_a_file_is_ingested_when_two_looks_find_it_the_same(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    file = folder / "feed.csv"
    whole = csv_of(fed("1", "v"), fed("1", "w", verified_price="bad"))
    file.write_bytes(whole[:100])
    assert daemon.tick() == []
    file.write_bytes(whole)
    assert daemon.tick() == []
    (key,) = daemon.tick()
    assert key.startswith(f"2u/{TYPE}/20")
    assert partitions(instance) == [key]
    assert fed_catalog.rows("SELECT outcome FROM ops.feed_row ORDER BY row") == [("new_product",), ("rejected",)]
    told = instance.get_latest_materialization_event(KEY)
    assert told
    assert told.asset_materialization
    assert told.asset_materialization.partition == key
    metadata = told.asset_materialization.metadata
    assert (metadata["new_product"].value, metadata["rejected"].value) == (1, 1)
    assert "new_product  ████" in str(metadata["outcomes"].value)
    assert metadata["rejects"].value.records[0].data["column"] == "verified_price"
    assert daemon.tick() == []


def test_files_of_one_source_and_type_are_started_one_after_the_other(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    for number, name in enumerate(("z.csv", "a.csv", "m.csv.gz")):
        content = csv_of(fed("1", "v", verified_price=str(100 + number)))
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        time.sleep(0.02)  # a file system's clock may tick as seldom as every hundredth of a second
    daemon.tick()
    (first,) = daemon.tick(start=False)
    run = instance.create_run_for_job(daemon.defs.resolve_job_def("ingest_feed"), tags={"dagster/partition": first})
    assert daemon.tick() == []
    instance.report_run_failed(run)
    daemon.ingest(first)
    assert len(daemon.tick() + daemon.tick()) == 2
    assert fed_catalog.rows("SELECT name, outcome FROM ops.feed ORDER BY id") == [
        ("z.csv", "applied"),
        ("a.csv", "applied"),
        ("m.csv.gz", "applied"),
    ]
    assert fed_catalog.rows("SELECT price FROM catalog.course_run") == [(102,)]


def test_a_backfill_of_an_old_feed_writes_nothing_unless_it_is_forced(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    for number in (1, 2):
        (folder / f"{number}.csv").write_bytes(csv_of(fed("1", "v", verified_price=str(number))))
        daemon.tick()
        daemon.tick()
    old, _ = partitions(instance)
    (folder / "1.csv").unlink()
    assert daemon.ingest(old).success
    assert fed_catalog.rows("SELECT price FROM catalog.course_run") == [(2,)]
    assert fed_catalog.value("SELECT outcome FROM ops.feed ORDER BY id DESC LIMIT 1") == "superseded"
    assert daemon.ingest(old, force=True).success
    assert fed_catalog.rows("SELECT price FROM catalog.course_run") == [(1,)]


def test_what_is_no_feed_is_left_and_told(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    feed = csv_of(fed("1", "v"))
    strange = folder.parents[1] / "nobody" / TYPE
    strange.mkdir(parents=True)
    for path in (folder / "half.csv.part", folder / ".hidden.csv", folder / "notes.docx", strange / "feed.csv"):
        path.write_bytes(feed)
    for path in (folder.parents[1] / "lost.csv", folder.parent / "astray.csv", folder.parents[1] / "README"):
        path.write_bytes(feed)
    (folder / "link.csv").symlink_to(folder / "none.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    os.mkfifo(folder / "pipe.csv")
    daemon.tick()
    assert daemon.tick() == []
    assert partitions(instance) == []
    told = daemon.result.skip_message or ""
    assert "notes.docx is none of .csv, .json, .gz, .zip" in told
    assert "'nobody' is no known source" in told
    assert "pipe.csv is a folder or a device" in told
    assert "lost.csv is nobody's feed. Put it into <source>/<course type>/ of" in told
    assert "link.csv is a link, and no link is followed" in told
    assert "loop.csv is a link, and no link is followed" in told
    assert "astray.csv is nobody's feed" in told
    assert not any(name in told for name in (".part", "hidden", "README"))


def test_no_link_is_followed_out_of_the_folder(
    fed_catalog: FedCatalog, tmp_path: Path, folder: Path, deployed: Settings
) -> None:
    outside = tmp_path / "outside"
    (outside / TYPE).mkdir(parents=True)
    for file in (outside / "secret.csv", outside / TYPE / "secret.csv"):
        file.write_bytes(csv_of(fed("1", "v")))
    (folder / "l.csv").symlink_to(outside / "secret.csv")
    (folder.parent / "linked").symlink_to(outside / TYPE, target_is_directory=True)
    (folder.parents[1] / "edx").symlink_to(outside, target_is_directory=True)
    found = accept(fed_catalog.engine, deployed, accept(fed_catalog.engine, deployed, {}).seen)
    assert (found.seen, found.accepted) == ({}, [])
    assert [problem.split(" is a link")[0].rsplit("/")[-1] for problem in found.problems] == ["l.csv", "linked", "edx"]
    assert fed_catalog.value("SELECT count(*) FROM landing.document") == 0


def test_a_folder_that_becomes_a_link_after_it_was_listed_is_not_followed(
    fed_catalog: FedCatalog, tmp_path: Path, folder: Path, deployed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "feed.csv").write_bytes(csv_of(fed("1", "v")))
    seen = accept(fed_catalog.engine, deployed, {}).seen

    def then_exchanged(root: Path) -> Listing:
        found = list_folder(root)
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        return found

    monkeypatch.setattr("catalog_pipeline.partner.arrivals.list_folder", then_exchanged)
    found = accept(fed_catalog.engine, deployed, seen)
    assert found.accepted == []
    assert "cannot be read" in found.problems[0]


def test_a_look_whose_time_is_up_leaves_the_newer_files_to_the_next(
    fed_catalog: FedCatalog, folder: Path, deployed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "cab":
        (folder / f"{name}.csv").write_bytes(csv_of(fed(name, "v")))
        time.sleep(0.02)  # a file system's clock may tick as seldom as every hundredth of a second
    seen = accept(fed_catalog.engine, deployed, {}).seen
    monkeypatch.setattr("catalog_pipeline.partner.arrivals.monotonic", count().__next__)
    first = accept(fed_catalog.engine, deployed, seen, 2)
    assert (len(first.accepted), first.left) == (2, 1)
    assert [path.rsplit("/")[-1] for (path,) in fed_catalog.rows("SELECT path FROM ops.feed_arrival ORDER BY 1")] == [
        *("a.csv", "c.csv")
    ]
    second = accept(fed_catalog.engine, deployed, first.seen, 2)
    assert (len(second.accepted), second.left) == (1, 0)


def test_many_files_are_kept_in_one_transaction(fed_catalog: FedCatalog, folder: Path, deployed: Settings) -> None:
    for number in range(50):
        (folder / f"{number}.csv").write_bytes(csv_of(fed(str(number % 40), "v")))
    found = accept(fed_catalog.engine, deployed, accept(fed_catalog.engine, deployed, {}).seen)
    assert len(found.accepted) == 50
    assert fed_catalog.value("SELECT count(DISTINCT xmin::text) FROM ops.feed_arrival") == 1
    assert fed_catalog.value("SELECT count(*) FROM landing.document") == 40


def test_a_folder_beside_feeds_is_ignored_with_a_warning(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon, deployed: Settings
) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "feed.csv").write_bytes(csv_of(fed("1", "v")))
    assert "old is a folder beside feeds" in accept(fed_catalog.engine, deployed, {}).warnings[0]
    assert daemon.ingest_by_night().success
    assert fed_catalog.value("SELECT count(*) FROM ops.feed_arrival") == 0


def test_a_name_that_is_not_utf8_is_told_and_the_others_go_on(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon
) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.csv")).write_bytes(csv_of(fed("1", "v")))
    (folder / "feed.csv").write_bytes(csv_of(fed("2", "w")))
    assert len(daemon.tick() + daemon.tick()) == 1
    assert not daemon.ingest_by_night().success
    (folder / "feed.csv").unlink()
    daemon.tick()
    assert "caf\\xe9.csv has a name that is not UTF-8" in str(daemon.result.skip_message)


def test_a_name_may_end_in_capitals(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    (folder / "FEED.CSV").write_bytes(csv_of(fed("1", "v")))
    assert len(daemon.tick() + daemon.tick()) == 1
    assert fed_catalog.rows("SELECT name, outcome FROM ops.feed") == [("FEED.CSV", "applied")]


def test_a_feed_that_is_refused_whole_fails_its_run_and_is_not_started_again(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    (folder / "feed.csv").write_bytes(b"\x00\x01\x02 no csv")
    daemon.tick()
    (key,) = daemon.tick(start=False)
    result = daemon.ingest(key)
    assert not result.success
    failure = result.failure_data_for_node("feeds__partner")
    assert failure
    assert failure.user_failure_data
    assert "feed.csv" in str(failure.user_failure_data.description)
    assert fed_catalog.rows("SELECT outcome FROM ops.feed") == [("refused",)]
    assert daemon.tick() == []


def test_a_feed_that_is_held_back_fails_its_run_until_the_removals_are_accepted(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_REMOVAL_SHARE", "0.2")
    for numbers in ("12", "1"):
        (folder / f"{numbers}.csv").write_bytes(csv_of(*(fed(number, number) for number in numbers)))
        daemon.tick()
        (key,) = daemon.tick(start=False)
        held = daemon.ingest(key)
    assert not held.success
    failure = held.failure_data_for_node("feeds__partner")
    assert failure
    assert failure.user_failure_data
    assert "--accept-removals" in str(failure.user_failure_data.description)
    assert daemon.ingest(key, accept_removals=True).success
    assert fed_catalog.rows("SELECT key FROM catalog.catalog_course WHERE status = 'archived'") == [("A+2",)]
    (folder / "2.csv").write_bytes(csv_of(fed("2", "2")))
    assert not daemon.ingest_by_night().success
    assert [outcome for (outcome,) in fed_catalog.rows("SELECT outcome FROM ops.feed ORDER BY id")] == [
        *("applied", "held", "applied", "held")
    ]


def test_the_night_sends_a_mail_when_waiting_ended_and_none_when_it_goes_on(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, deployed: Settings
) -> None:
    rules = folder.parents[2] / "rules.yaml"
    rules.write_text(
        SHIPPED.read_text().replace("recipients: {}", f"recipients: {{{TYPE}: {{2u: [ann@example.org]}}}}")
    )
    daemon = Daemon(build_defs(deployed.model_copy(update={"partner_rules": rules})), instance)
    (folder / "1.csv").write_bytes(csv_of(fed("1", "v"), fed("9", "w", organization="Later")))

    def mails_after_a_night() -> int:
        assert daemon.ingest_by_night().success
        return int(fed_catalog.value("SELECT count(*) FROM ops.outbox"))

    assert mails_after_a_night() == 1
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('Later', 'Later')")
    fed_catalog.execute("""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title, product_source)
        SELECT id, '9', 'Later+9', 'Owned', 'edx' FROM catalog.organization WHERE key = 'Later'""")
    assert mails_after_a_night() == 1  # no longer rejected, but deferred
    fed_catalog.execute("UPDATE catalog.catalog_course SET product_source = NULL WHERE key = 'Later+9'")
    assert mails_after_a_night() == 2


def test_a_tick_that_dies_after_it_kept_a_file_loses_and_doubles_nothing(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    (folder / "feed.csv").write_bytes(csv_of(fed("1", "v")))
    daemon.tick()
    daemon.tick(dies=True)
    assert len(daemon.tick()) == 1
    assert fed_catalog.value("SELECT count(*) FROM ops.feed_arrival") == 1
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 1


def test_the_night_ingests_what_waits_and_decides_anew_what_was_deferred(
    fed_catalog: FedCatalog, instance: DagsterInstance, folder: Path, daemon: Daemon
) -> None:
    (folder / "1.csv").write_bytes(csv_of(fed("1", "v"), fed("9", "w", organization="Later")))
    (folder / "2.csv").write_bytes(b"nothing of a feed")
    assert not daemon.ingest_by_night().success
    assert fed_catalog.rows("SELECT name, outcome FROM ops.feed ORDER BY id") == [
        ("1.csv", "applied"),
        ("2.csv", "refused"),
    ]
    assert len(partitions(instance)) == 2
    assert daemon.ingest_by_night().success
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 2
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('Later', 'Later')")
    assert daemon.ingest_by_night().success
    assert fed_catalog.rows("SELECT key FROM catalog.catalog_course ORDER BY 1") == [("A+1",), ("Later+9",)]


def break_feeds(monkeypatch: pytest.MonkeyPatch, *names: str, error: BaseException | None = None) -> None:
    """Make the reading of feeds of these names end with an error that nobody expected."""
    whole = ingestion.parse_feed

    def broken(data: bytes, name: str, limits: Limits, received_at: datetime) -> RawFeed:
        if name in names:
            raise error or ZeroDivisionError("a mistake \0 of ours \udce9")
        return whole(data, name, limits, received_at)

    monkeypatch.setattr(ingestion, "parse_feed", broken)


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    failure = result.failure_data_for_node("ingest_waiting_feeds")
    assert failure
    assert failure.user_failure_data
    return f"{failure.user_failure_data.description} (exit {failure.user_failure_data.metadata['exit_code'].value})"


def test_a_feed_that_fails_stops_no_other_and_is_set_aside_after_some_tries(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon, deployed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = fed_catalog.engine
    for number, name in enumerate(("bad.csv", "newer.csv")):
        (folder / name).write_bytes(csv_of(fed("1", "v", verified_price=str(100 + number))))
        time.sleep(0.02)  # a file system's clock may tick as seldom as every hundredth of a second
    break_feeds(monkeypatch, "bad.csv")
    told = failure_of(daemon.ingest_by_night())
    assert f"2u/{TYPE}/bad.csv failed: ZeroDivisionError: a mistake \\0 of ours \\udce9. It is tried again" in told
    assert "(exit 1)" in told
    assert fed_catalog.rows("SELECT name, outcome FROM ops.feed") == [("newer.csv", "applied")]
    assert daemon.tick() == []  # it waits for the night
    (folder / "bad.csv").unlink()
    failure_of(daemon.ingest_by_night())
    assert "It failed 3 times and is set aside. `catalog-pipeline partner retry" in failure_of(daemon.ingest_by_night())
    assert daemon.ingest_by_night().success
    assert daemon.tick() == []
    with connected(engine) as connection:
        (aside,) = set_aside(connection)
        key = find_arrival(connection, "bad.csv")
    assert (aside["name"], aside["outcome"]) == ("bad.csv", "set_aside")
    assert "a mistake \\0 of ours" in aside["detail"]
    monkeypatch.undo()
    put_back(engine, key)
    assert ingest_arrival(engine, key, deployed, Options()).outcome == "superseded"
    assert fed_catalog.rows("SELECT tries, set_aside_at, decided_at IS NULL FROM ops.feed_arrival") == [
        *((0, None, False), (0, None, False))
    ]
    assert fed_catalog.value("SELECT last_error FROM ops.feed_arrival WHERE path LIKE '%bad.csv'").startswith("ZeroDiv")


def test_a_try_that_is_killed_counts(
    fed_catalog: FedCatalog, folder: Path, deployed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bad.csv").write_bytes(csv_of(fed("1", "v")))
    (key,) = accept(fed_catalog.engine, deployed, accept(fed_catalog.engine, deployed, {}).seen).accepted
    break_feeds(monkeypatch, "bad.csv", error=SystemExit(9))  # as good as a kill: nothing handles it
    for tries in (1, 2, 3):
        with connected(fed_catalog.engine) as connection:
            assert [row.partition_key for row in waiting(connection)] == [key]
        with pytest.raises(SystemExit):
            ingest_arrival(fed_catalog.engine, key, deployed, Options())
        assert fed_catalog.value("SELECT tries FROM ops.feed_arrival") == tries
    with connected(fed_catalog.engine) as connection:
        assert waiting(connection) == []
        assert "Its tries were cut off" in set_aside(connection)[0]["detail"]


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError("Cannot reach the database."),
        OperationalError("SELECT 1", {}, AdminShutdown("terminating connection due to administrator command")),
    ],
)
def test_a_database_out_of_reach_ends_all_and_counts_no_try(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name in "ab":
        (folder / f"{name}.csv").write_bytes(csv_of(fed("1", "v")))
    break_feeds(monkeypatch, "a.csv", "b.csv", error=error)
    assert "(exit 5)" in failure_of(daemon.ingest_by_night())
    assert fed_catalog.rows("SELECT DISTINCT tries, set_aside_at, last_error FROM ops.feed_arrival") == [
        (0, None, None)
    ]


def test_a_feed_that_fails_when_it_is_decided_anew_stops_no_other(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    edx = folder.parents[1] / "edx" / TYPE
    edx.mkdir(parents=True)
    for place, name in ((folder, "bad.csv"), (edx, "good.csv")):
        (place / name).write_bytes(csv_of(fed(name[0], name, organization="Later")))
    assert daemon.ingest_by_night().success
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('Later', 'Later')")
    break_feeds(monkeypatch, "bad.csv")
    assert f"2u/{TYPE}/bad.csv was to be decided again, and failed: ZeroDivisionError" in failure_of(
        daemon.ingest_by_night()
    )
    assert fed_catalog.rows("SELECT key FROM catalog.catalog_course") == [("Later+g",)]
    monkeypatch.undo()
    assert daemon.ingest_by_night().success
    assert fed_catalog.value("SELECT count(*) FROM catalog.catalog_course") == 2


def test_a_feed_that_is_dropped_is_not_ingested(fed_catalog: FedCatalog, folder: Path, deployed: Settings) -> None:
    for name in ("one.csv", "two.csv"):
        (folder / name).write_bytes(csv_of(fed("1", "v")))
    accept(fed_catalog.engine, deployed, accept(fed_catalog.engine, deployed, {}).seen)
    sha256 = fed_catalog.value("SELECT DISTINCT sha256 FROM ops.feed_arrival")
    with connected(fed_catalog.engine) as connection:
        key = find_arrival(connection, "one.csv")
        with pytest.raises(UsageError, match="may be any of"):
            find_arrival(connection, sha256[:8])
        with pytest.raises(UsageError, match=r"No feed 'three.csv' is set aside or waits"):
            find_arrival(connection, "three.csv")
    drop(fed_catalog.engine, key)
    with connected(fed_catalog.engine) as connection:
        assert find_arrival(connection, sha256[:8]) != key
        assert len(waiting(connection)) == 1
        assert set_aside(connection) == []


def prices(fed_catalog: FedCatalog) -> list[tuple[object, ...]]:
    return fed_catalog.rows("SELECT price FROM catalog.course_run")


@pytest.mark.parametrize("how", ["chmod", "rename", "restore"])
def test_an_older_file_that_arrives_again_rolls_nothing_back_and_is_shown_superseded(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon, how: str
) -> None:
    for name, price in (("old.csv", "100"), ("new.csv", "200")):
        (folder / name).write_bytes(csv_of(fed("1", "v", verified_price=price)))
        assert daemon.ingest_by_night().success
    old = folder / "old.csv"
    if how == "chmod":
        old.chmod(0o640)
    elif how == "rename":
        old.rename(folder / "renamed.csv")
    else:
        old.write_bytes(old.read_bytes())
    for _ in range(2):
        assert daemon.ingest_by_night().success
        assert prices(fed_catalog) == [(200,)]
    feeds = fed_catalog.rows("SELECT outcome, detail FROM ops.feed ORDER BY id")
    assert [outcome for outcome, _ in feeds] == ["applied", "applied", "superseded"]
    assert "The same bytes were decided before" in feeds[-1][1]
    assert f".csv --source 2u --product-type {TYPE} --force` applies them." in feeds[-1][1]


def test_the_newest_bytes_that_arrive_again_are_answered_from_their_hash(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon
) -> None:
    for name, price in (("old.csv", "100"), ("new.csv", "200")):
        (folder / name).write_bytes(csv_of(fed("1", "v", verified_price=price)))
        assert daemon.ingest_by_night().success
    (folder / "new.csv").chmod(0o640)
    assert daemon.ingest_by_night().success
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 2
    (folder / "newest.csv").write_bytes(csv_of(fed("1", "v", verified_price="300")))
    assert daemon.ingest_by_night().success
    assert prices(fed_catalog) == [(300,)]


def test_an_older_feed_that_was_forced_is_not_undone_by_the_newer_one_that_arrives_again(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon
) -> None:
    for name, price in (("old.csv", "100"), ("new.csv", "200")):
        (folder / name).write_bytes(csv_of(fed("1", "v", verified_price=price)))
        assert daemon.ingest_by_night().success
    old, _ = partitions(daemon.instance)
    assert daemon.ingest(old, force=True).success
    (folder / "new.csv").chmod(0o640)
    (folder / "old.csv").chmod(0o640)
    assert daemon.ingest_by_night().success
    assert prices(fed_catalog) == [(100,)]
    assert fed_catalog.rows("SELECT outcome FROM ops.feed ORDER BY id")[2:] == [("applied",), ("superseded",)]


def test_a_feed_that_was_corrected_undoes_no_correction_when_it_arrives_again(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon
) -> None:
    rows = [fed("1", "v"), fed("2", "w", organization="Later"), fed("3", "x", verified_price="bad")]
    (folder / "whole.csv").write_bytes(csv_of(*rows))
    assert daemon.ingest_by_night().success
    (folder / "mended.csv").write_bytes(csv_of(fed("1", "v", verified_price="50", reasons="no")))
    assert daemon.ingest_by_night().success
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('Later', 'Later')")
    assert daemon.ingest_by_night().success  # decides the waiting row of the first feed again
    for name in ("whole.csv", "mended.csv"):
        (folder / name).chmod(0o640)
        assert daemon.ingest_by_night().success
    outcomes = [outcome for (outcome,) in fed_catalog.rows("SELECT outcome FROM ops.feed ORDER BY id")]
    assert outcomes == ["applied", "applied", "applied", "superseded", "superseded"]
    assert (50,) in prices(fed_catalog)


def test_a_tick_asks_for_the_runs_of_failed_feeds_at_once(
    fed_catalog: FedCatalog, folder: Path, daemon: Daemon, deployed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (folder / f"{number:02}.csv").write_bytes(csv_of(fed(str(number), "v")))
    accept(fed_catalog.engine, deployed, accept(fed_catalog.engine, deployed, {}).seen)
    fed_catalog.execute("UPDATE ops.feed_arrival SET tries = 1 WHERE path NOT LIKE '%29.csv'")
    asked = list[object]()
    get_runs = DagsterInstance.get_runs

    def counted(*arguments: object, **named: object) -> object:
        asked.append(arguments)
        return get_runs(*arguments, **named)

    monkeypatch.setattr(DagsterInstance, "get_runs", counted)
    assert len(daemon.tick(start=False)) == 1
    assert len(asked) == 2
