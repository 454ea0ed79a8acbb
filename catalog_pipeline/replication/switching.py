"""Lets a service be read at another address: the same system that moved there, or another system in its place."""

import hashlib
import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import LoadRefusedError, UsageError
from catalog_pipeline.loading.landing import Crawl, land, read_list
from catalog_pipeline.loading.publication import PUBLISH_LOCK, LoadReport
from catalog_pipeline.loading.upstream import change_address, recorded
from catalog_pipeline.replication.publishing import publish
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import SOURCES, Upstreams, configured_address

KEYS = {"organization": "key", "catalog_course": "key", "course_run": "run_key", "program": "uuid"}
"""The column that names a row, by table."""
OUTCOMES = ("new", "goes_on", "archived", "passes_on", "held")
"""What becomes of a row: it is new, goes on under its key, is archived, passes on to a feed or another source that
lists it, or is held, because a list came back empty."""
ALL_REMOVALS = 1.0


class SwitchPlanChangedError(LoadRefusedError):
    """What a switch would do is no longer what was shown."""


@dataclass(frozen=True)
class Switch:
    """The addresses between which a service is switched."""

    service: str
    before: str
    after: str


@dataclass(frozen=True)
class SwitchPlan:
    """What reading another system in place of the one before does to the rows of both."""

    switch: Switch
    rows: list[Row]
    """table, key, outcome (of OUTCOMES), in this order."""
    report: LoadReport

    @property
    def counts(self) -> list[Row]:
        """Number of rows by outcome: a row for each table."""
        found = Counter((row["table"], row["outcome"]) for row in self.rows)
        return [{"table": table, **{outcome: found[table, outcome] for outcome in OUTCOMES}} for table in KEYS]

    @property
    def digest(self) -> str:
        """A hash of the plan: the same hash, the same service, addresses and rows."""
        told = [self.switch.service, self.switch.before, self.switch.after, self.rows]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def find_switch(connection: Connection, settings: Settings, service: str) -> Switch:
    """The switch that the settings ask for. Raises UsageError where there is none to make."""
    row, address = recorded(connection).get(service), configured_address(settings, service)
    if row is None:
        raise UsageError(f"{service} was never read; `catalog-pipeline refresh {service}` reads it at {address}.")
    if row["address"] == address:
        raise UsageError(f"{service} is at {address} already. Set CATALOG_{service.upper()}_URL to the new address.")
    return Switch(service, row["address"], address)


def move(engine: Engine, settings: Settings, service: str, *, dry_run: bool = False) -> Switch:
    """Record that a system moved to the configured address. Watermarks are forgotten, and all else is kept."""
    with connected(engine) as connection:
        locks.take(connection, PUBLISH_LOCK)
        switch = find_switch(connection, settings, service)
        if not dry_run:
            change_address(connection, settings, service)
    return switch


def plan_switch(engine: Engine, upstreams: Upstreams, service: str) -> SwitchPlan:
    """What reading another system would change: it is read whole and published, and then all is rolled back.

    Raises what a refresh raises, and UsageError where there is nothing to switch.
    """
    return _switched(engine, upstreams, service, None)


def switch(engine: Engine, upstreams: Upstreams, service: str, expected: str) -> SwitchPlan:
    """Read another system in place of the one before, in one transaction.

    Raises SwitchPlanChangedError, and changes nothing, when `expected` is not the plan's digest.
    """
    planned = _switched(engine, upstreams, service, expected)
    if planned.digest != expected:
        raise SwitchPlanChangedError(
            f"The plan is {planned.digest} by now, not {expected}: upstream or the catalog has changed since."
            f" Nothing was changed. See `catalog-pipeline upstream switch {service}`."
        )
    return planned


def _switched(engine: Engine, upstreams: Upstreams, service: str, expected: str | None) -> SwitchPlan:
    """Switch, and keep what was done only where the plan's digest is the expected one."""
    client, settings = upstreams.client(service), upstreams.settings
    with engine.connect() as connection, ExitStack() as lists:
        with connection.begin():
            found = find_switch(connection, settings, service)
        runs = [
            lists.enter_context(read_list(connection, client, listing, full=True))
            for listing in upstreams.listings(service)
        ]
        _refuse_incomplete(runs)
        with connection.begin() as transaction:
            locks.take(connection, PUBLISH_LOCK)
            change_address(connection, settings, service, since=runs[0].started_at)
            _stage_standing(connection, service)
            for run in runs:
                land(connection, client, run)
            # The removals are in the plan, which a person accepts.
            report = publish(connection, SOURCES[service], settings.model_copy(update={"removal_share": ALL_REMOVALS}))
            planned = SwitchPlan(found, _outcomes(connection, service), report)
            if planned.digest != expected:
                transaction.rollback()
    return planned


def _refuse_incomplete(runs: list[Crawl]) -> None:
    for run in runs:
        if not run.is_complete:
            raise LoadRefusedError(
                f"The list of {run.listing.kind} documents counts {run.last_count} and lists {len(run.seen)}: it keeps"
                " changing or repeats some, so it does not tell what is gone. Nothing was changed; try again later."
            )


def _stage_standing(connection: Connection, service: str) -> None:
    """Make `stood_<table>`: the rows of the catalog (id), and whether the service lists them (listed)."""
    for table in KEYS:
        connection.execute(
            text(f"""
                CREATE TEMP TABLE stood_{table} ON COMMIT DROP AS
                SELECT t.id, t.missing_since IS NULL AND d.id IS NOT NULL AS listed FROM catalog.{table} t
                LEFT JOIN landing.document d ON d.id = t.listed_by_id AND d.source = :service"""),
            {"service": service},
        )


def _outcomes(connection: Connection, service: str) -> list[Row]:
    """What becomes of each row that the service lists now or listed before: see `SwitchPlan.rows`."""
    each = " UNION ALL ".join(
        f"""
        SELECT '{table}' AS "table", CAST(t.{key} AS text) COLLATE "C" AS key,
               CASE WHEN t.missing_since IS NOT NULL THEN 'archived'
                    WHEN d.source IS DISTINCT FROM :service THEN 'passes_on'
                    WHEN d.missing_since IS NOT NULL THEN 'held'
                    WHEN s.id IS NULL THEN 'new' ELSE 'goes_on' END AS outcome
        FROM catalog.{table} t LEFT JOIN stood_{table} s USING (id)
        LEFT JOIN landing.document d ON d.id = t.listed_by_id
        WHERE s.listed OR t.missing_since IS NULL AND d.source = :service"""
        for table, key in KEYS.items()
    )
    return rows(connection, f"{each} ORDER BY 1, 2, 3", service=service)
