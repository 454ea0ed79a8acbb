"""Copies dates and variants from courses' `additional_metadata` to their runs, once (course-discovery ADR 0026).

Discovery has such metadata only for external courses. What is copied is kept as a feed of its own, so that no crawl
overwrites it. Courses that a partner's feed carries already are left to that feed.
"""

# pyright: reportArgumentType=false

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.loading.publication import publishing
from catalog_pipeline.partner.apply import apply_plan, keep_document, keep_plan
from catalog_pipeline.partner.columns import ERROR_COLUMNS, VALID_ROW, WARNING_COLUMNS, FeedName, ValidatedFeed
from catalog_pipeline.partner.plan import make_run_plan
from catalog_pipeline.partner.report import FeedReport, planned_report, report
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.schemas.catalog import UUID_PATTERN
from catalog_pipeline.schemas.parsing import ACCEPTED, parse_instant, parse_text, shown
from catalog_pipeline.sources.documents import decode, decompress

SOURCE, PRODUCT_TYPE = "discovery", "additional-metadata"
DATES = {"start": "start_date", "end": "end_date", "enrollment_end": "registration_deadline"}
EXTERNAL_COURSES = f"""
    SELECT c.key, c.title, d.payload
    FROM catalog.catalog_course c JOIN landing.document d ON d.id = c.listed_by_id
    WHERE d.source = 'discovery' AND d.kind = 'course' AND d.missing_since IS NULL AND c.missing_since IS NULL
      AND c.id NOT IN (SELECT r.catalog_course_id FROM ops.feed_row r JOIN {CURRENT_FEEDS} f ON f.id = r.feed_id
                       WHERE r.catalog_course_id IS NOT NULL)
    ORDER BY c.key COLLATE "C" """


def backpopulate(engine: Engine, *, apply: bool, as_of: datetime | None = None) -> FeedReport:
    """Update or create the runs that the metadata of external courses describe; without `apply`, only show them.

    The rows of the report are the courses, numbered in the order of their keys. Running it again changes nothing.
    """
    as_of = as_of or datetime.now(UTC)
    if not apply:
        with connected(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
            validated = read_metadata(connection)
            plan = make_run_plan(connection, _name(b"", as_of), validated, as_of)
            found = planned_report(connection, plan)
            connection.rollback()
        return found
    with publishing(engine, f"partner:{SOURCE}/{PRODUCT_TYPE}", as_of) as publication:
        connection = publication.connection
        validated = read_metadata(connection)
        data = orjson.dumps(orjson.loads(validated.rows.to_json(orient="records", date_format="iso") or "[]"))
        feed = _name(data, as_of)
        plan = make_run_plan(connection, feed, validated, as_of)
        feed_id = keep_plan(connection, plan, keep_document(connection, feed, data), publication.report.load_id)
        apply_plan(publication, plan)
        publication.execute("UPDATE ops.feed_row SET catalog_course_id = NULL WHERE feed_id = :id", id=feed_id)
        return report(connection, feed_id)


def _name(data: bytes, as_of: datetime) -> FeedName:
    return FeedName("additional_metadata", SOURCE, PRODUCT_TYPE, hashlib.sha256(data).hexdigest(), as_of)


def read_metadata(connection: Connection) -> ValidatedFeed:
    """Read what the metadata of external courses say of runs: one row for each course; bad values are errors."""
    connection.execute(text("SET LOCAL work_mem = '64MB'"))
    names = ["course_key", "title", *DATES.values(), "variant_id"]
    records = pd.DataFrame(_records(connection), columns=names, dtype=object)
    records = records.astype({"course_key": TEXT, "title": TEXT})
    rows = pd.DataFrame({name: pd.Series(None, records.index, dtype=spec.dtype.type)
                         for name, spec in VALID_ROW.columns.items()})  # fmt: skip
    rows = rows.assign(
        row=range(1, len(records) + 1), is_future_variant=False, on_sale=False, attributes="{}",
        **{name: records[name] for name in ("course_key", "title")},
    )  # fmt: skip
    errors = []
    for name, field in DATES.items():
        column = parse_instant(records[field].tolist())
        rows[name] = column.values
        errors += _errors(rows, column.bad, "INVALID_DATE", field, records[field], ACCEPTED[column.rule])
    variant = parse_text(records["variant_id"].tolist())
    good = variant.values.str.fullmatch(UUID_PATTERN, na=True).to_numpy(dtype=bool) & ~variant.bad
    rows["variant_id"] = variant.values.where(good).map(_canonical, na_action="ignore").astype(TEXT)
    errors += _errors(rows, ~good, "INVALID_VARIANT_ID", "variant_id", records["variant_id"], "a UUID")
    found = pd.DataFrame(errors, columns=ERROR_COLUMNS)
    rows = rows[~rows["row"].isin(found["row"])].reset_index(drop=True)
    return ValidatedFeed(rows, found, pd.DataFrame(columns=WARNING_COLUMNS))


def _records(connection: Connection) -> Iterator[tuple[Any, ...]]:
    for course in connection.execute(text(EXTERNAL_COURSES)):
        details = decode(decompress(course.payload)).get("additional_metadata") or {}
        told = [details.get(name) or None for name in (*DATES.values(), "variant_id")]
        if any(value is not None for value in told):
            yield (course.key, course.title, *told)


def _canonical(variant: str) -> str:
    plain = variant.lower().replace("-", "")
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _errors(
    rows: pd.DataFrame, bad: Any, code: str, field: str, cells: pd.Series, accepted: str
) -> list[tuple[Any, ...]]:
    return [
        (row, code, f"additional_metadata.{field}", shown(cell), f"{field} is not {accepted}.", key, None)
        for row, key, cell in zip(rows["row"][bad], rows["course_key"][bad], cells[bad], strict=True)
    ]
