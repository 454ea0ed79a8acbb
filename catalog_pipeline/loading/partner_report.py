"""Tells of a feed what became of it: one dict for the command's JSON, its tables, and the summary mail."""

from typing import Any

from sqlalchemy import Connection, text

from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.loading.partner_apply import ARCHIVED, REACTIVATED
from catalog_pipeline.loading.partner_plan import COUNTED, FeedName, Plan

Report = dict[str, Any]
ROWS = """
    SELECT row, outcome, reason, course_key, run_key, variant_id, title, external_identifier, restriction_type,
           is_future_variant, changes, errors, warnings
    FROM {table} ORDER BY row"""


def report(connection: Connection, feed_id: int) -> Report:
    """What became of an ingested feed. Raises UsageError where there is none of this id.

    `feed` (name, source, product_type, sha256), `feed_id`, `dry_run`, `outcome` and `detail` of the feed as a whole,
    `refused` (the detail, where nothing was written), `counts` (rows, rows by outcome, archived, reactivated),
    `warnings` (of the feed as a whole), `rows` (row, outcome, reason, course_key, run_key, variant_id, title,
    external_identifier, restriction_type, is_future_variant, changes by field as [old, new], errors, warnings),
    `archived` and `reactivated` (course_key, title, external_identifier, reason).
    """
    feed = connection.execute(text("SELECT * FROM ops.feed WHERE id = :id"), {"id": feed_id}).one_or_none()
    if feed is None:
        raise UsageError(f"There is no feed {feed_id}; `catalog-pipeline partner feeds` lists them.")
    return {
        "feed": {name: getattr(feed, name) for name in ("name", "source", "product_type", "sha256")},
        "feed_id": feed.id,
        "dry_run": False,
        **_whole(feed.outcome, feed.detail),
        "counts": _counts(feed.counts),
        "warnings": feed.warnings,
        "rows": _rows(connection, "ops.feed_row WHERE feed_id = :id", id=feed_id),
        "archived": feed.archived,
        "reactivated": feed.reactivated,
    }


def planned_report(
    connection: Connection, feed: FeedName, plan: Plan, outcome: str, detail: str | None, warnings: list[Any]
) -> Report:
    """What would become of a feed that is planned in this transaction; as `report`, without an id."""
    applied = outcome == "applied"
    archived = ARCHIVED if applied and plan.counts["archived"] else "'[]'::jsonb"
    reactivated = REACTIVATED if applied else "'[]'::jsonb"
    products = connection.execute(text(f"SELECT {archived} AS archived, {reactivated} AS reactivated")).one()
    return {
        "feed": {name: getattr(feed, name) for name in ("name", "source", "product_type", "sha256")},
        "feed_id": None,
        "dry_run": True,
        **_whole(outcome, detail),
        "counts": _counts(plan.counts),
        "warnings": warnings,
        "rows": _rows(connection, "planned_row"),
        "archived": products.archived,
        "reactivated": products.reactivated,
    }


def exit_code(found: Report) -> ExitCode:
    """The exit status that tells what became of a feed."""
    if found["outcome"] != "applied":
        return ExitCode.REFUSED
    left = found["counts"]["rejected"] + found["counts"]["deferred"]
    return ExitCode.SOME_ROWS_LEFT if left else ExitCode.DONE


def _whole(outcome: str, detail: str | None) -> Report:
    return {"outcome": outcome, "detail": detail, "refused": None if outcome == "applied" else detail}


def _counts(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in ("rows", *COUNTED, "archived", "reactivated")}


def _rows(connection: Connection, table: str, **parameters: Any) -> list[Report]:
    found = connection.execute(text(ROWS.format(table=table)), parameters).mappings()
    return [
        {**row, "changes": row["changes"] or {}, "errors": row["errors"] or [], "warnings": row["warnings"] or []}
        for row in found
    ]
