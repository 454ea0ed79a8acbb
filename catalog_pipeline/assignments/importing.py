"""Imports assignments from a file: of configurations that are ours, whose assignments no upstream serves."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from catalog_pipeline.assignments.expirations import Found, rebuild
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row
from catalog_pipeline.enterprise import assignments
from catalog_pipeline.enterprise.cells import doubts, value_of
from catalog_pipeline.enterprise.judging import Records
from catalog_pipeline.enterprise.report import ImportReport, make_report
from catalog_pipeline.enterprise.staging import create_tables, errors, finish, stage
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, Publication, publishing
from catalog_pipeline.sources.documents import seldom_collected
from catalog_pipeline.sources.record_files import RecordFile, read_csv, read_json_lines

SOURCE = "assignments:import"
STAGED = ("assignment", "action")


def import_assignments(
    engine: Engine, file: Path, *, actor: str, as_of: datetime | None = None, dry_run: bool = False
) -> ImportReport:
    """Write the assignments of a file of JSON lines, or of CSV if its name says so, in one transaction.

    A wrong row is rejected with the reason, and keeps no other from being written. The expirations of what changed are
    rebuilt. With `dry_run` all is decided, and
    nothing written. Raises UsageError when the file cannot be read.
    """
    with seldom_collected():
        records = read_csv(file, value_of, doubts) if file.suffix.lower() == ".csv" else read_json_lines(file)
        with connected(engine) as connection:
            with publishing(connection, SOURCE, as_of or datetime.now(UTC), actor, lock=ENTERPRISE_LOCK) as publication:
                report = _import(publication, records, dry_run=dry_run)
            if dry_run:
                connection.rollback()
    return report


def _import(publication: Publication, records: RecordFile, *, dry_run: bool) -> ImportReport:
    create_tables(publication.connection, STAGED)
    stage(publication.connection, Records("assignment", list(records.documents), list(records.documents.values())))
    finish(publication.connection, STAGED)
    assignments.match_and_decide(publication, listed=False)
    outcomes = assignments.outcomes(publication)
    assignments.write(publication)
    if not dry_run:
        rebuild(publication.connection, Found(assignments.TOUCHED, {}), as_of=publication.as_of)
    uuids = {line: document.get("uuid") for line, document in records.documents.items()}
    report = make_report(records, errors(publication.connection), _told(outcomes, uuids, dry_run))
    publication.count(assignments.TABLE, {"rejected": report.counts["rejected"]})
    return report


def _told(outcomes: list[Row], uuids: Mapping[int, Any], dry_run: bool) -> list[Row]:
    """The outcomes without the uuids that a dry run makes up and forgets."""
    if not dry_run:
        return outcomes
    return [{**row, "uuid": uuids[row["row"]] if row["outcome"] == "created" else row["uuid"]} for row in outcomes]
