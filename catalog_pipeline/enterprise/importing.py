"""Imports what no upstream serves: customers, their catalogs, subsidies, policies, configurations and learners."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from catalog_pipeline.database.bulk import copy_rows
from catalog_pipeline.database.engine import connected
from catalog_pipeline.enterprise.judging import Records
from catalog_pipeline.enterprise.records import TABLES, decide_and_write, link_policies, outcomes
from catalog_pipeline.enterprise.report import ImportReport, make_report
from catalog_pipeline.enterprise.staging import ERROR_COLUMNS, create_tables, errors, finish, stage
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, Publication, publishing
from catalog_pipeline.schemas.parsing import shown
from catalog_pipeline.sources.documents import seldom_collected
from catalog_pipeline.sources.record_files import RecordFile, read_json_lines

SOURCE = "enterprise:import"
KINDS = tuple(TABLES)


def import_records(
    engine: Engine, file: Path, *, actor: str, as_of: datetime | None = None, dry_run: bool = False
) -> ImportReport:
    """Write the records of a file of JSON lines, each with its `kind`, in one transaction.

    A wrong row is rejected with the reason, and keeps no other from being written. With `dry_run` all is decided, and
    nothing written. Raises UsageError when the file cannot be read.
    """
    with seldom_collected():
        records = read_json_lines(file)
        with connected(engine) as connection:
            with publishing(connection, SOURCE, as_of or datetime.now(UTC), actor, lock=ENTERPRISE_LOCK) as publication:
                report = _import(publication, records)
            if dry_run:
                connection.rollback()
    return report


def _import(publication: Publication, records: RecordFile) -> ImportReport:
    connection = publication.connection
    create_tables(connection, KINDS)
    lines: dict[str, list[int]] = defaultdict(list)
    for line, document in records.documents.items():
        kind = document.get("kind")
        lines[kind if isinstance(kind, str) and kind in KINDS else ""].append(line)
    _reject_kinds(connection, {line: records.documents[line].get("kind") for line in lines.pop("", [])})
    for kind, numbers in lines.items():
        stage(connection, Records(kind, numbers, [records.documents[line] for line in numbers]))
    finish(connection, KINDS)
    for kind in KINDS:
        decide_and_write(publication, kind, listed=False)
    link_policies(publication)
    written = [row for kind in KINDS for row in outcomes(publication, kind)]
    return make_report(records, errors(connection), written)


def _reject_kinds(connection: Connection, kinds: dict[int, Any]) -> None:
    """Keep the errors of the lines whose kind is none."""
    known = ", ".join(KINDS)
    copy_rows(
        connection,
        "record_error",
        ERROR_COLUMNS,
        [
            (line, "missing", "kind", None, f"kind is missing: give one of {known}.")
            if kind is None
            else (line, "unknown_value", "kind", shown(kind), f"kind is none of {known}.")
            for line, kind in kinds.items()
        ],
    )
