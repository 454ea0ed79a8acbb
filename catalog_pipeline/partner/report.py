"""Tells of a feed what became of it: one dict for the command's JSON, its tables, and the summary mail."""

from typing import Any

from sqlalchemy import Connection, text

from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.models.feed import FEED_COUNTS
from catalog_pipeline.partner.apply import ARCHIVED, REACTIVATED, keep_rows
from catalog_pipeline.partner.plan import FeedName, Plan
from catalog_pipeline.partner.staging import TOLD_COLUMNS
from catalog_pipeline.sources.documents import decompress

Report = dict[str, Any]


def report(connection: Connection, feed_id: int, shown: int | None = None) -> Report:
    """What became of an ingested feed; with `shown`, only its first rows, and none that is unchanged.

    `feed` (name, source, product_type, sha256), `feed_id`, `dry_run`, `outcome` and `detail` of the feed as a whole,
    `refused` (the detail, where nothing was written), `counts` (rows, rows by outcome, archived, reactivated),
    `warnings` (of the feed as a whole), `rows` (row, outcome, reason, course_key, run_key, variant_id, title,
    external_identifier, restriction_type, is_future_variant, changes by field as [old, new], errors, warnings),
    `archived` and `reactivated` (course_key, title, external_identifier, reason).
    """
    feed = connection.execute(text("SELECT * FROM ops.feed WHERE id = :id"), {"id": feed_id}).one()
    return {
        "feed": {name: getattr(feed, name) for name in ("name", "source", "product_type", "sha256")},
        "feed_id": feed.id,
        "dry_run": False,
        **_whole(feed.outcome, feed.detail),
        "counts": _counts(feed.counts),
        "warnings": feed.warnings,
        "rows": _rows(connection, "SELECT * FROM ops.feed_row WHERE feed_id = :id", shown, id=feed_id),
        "archived": feed.archived,
        "reactivated": feed.reactivated,
    }


def feeds(connection: Connection, limit: int) -> list[Report]:
    """The last ingested feeds, newest first."""
    found = connection.execute(
        text("""
            SELECT id, name, source, product_type, sha256, received_at, as_of, ingested_at, outcome, detail, counts
            FROM ops.feed ORDER BY id DESC LIMIT :limit"""),
        {"limit": limit},
    )
    return [{**row, "counts": _counts(row["counts"])} for row in found.mappings()]


def find_feed(connection: Connection, wanted: str) -> int:
    """The id of a feed by its id, its name or the beginning of its SHA-256; the newest such. Raises UsageError."""
    found = connection.execute(
        text(
            "SELECT id FROM ops.feed WHERE id::text = :wanted OR name = :wanted"
            " OR (length(:wanted) >= 6 AND starts_with(sha256, :wanted)) ORDER BY id::text = :wanted DESC, id DESC"
        ),
        {"wanted": wanted},
    ).scalars()
    feed_id = found.first()
    if feed_id is None:
        raise UsageError(f"There is no feed {wanted!r}; `catalog-pipeline partner feeds` lists them.")
    return feed_id


def read_document(connection: Connection, feed_id: int) -> tuple[str, bytes]:
    """The name of a feed, and its bytes as received. Raises UsageError where they were not kept."""
    row = connection.execute(
        text(
            "SELECT f.name, d.payload FROM ops.feed f JOIN landing.document d ON d.id = f.document_id WHERE f.id = :id"
        ),
        {"id": feed_id},
    ).one_or_none()
    if row is None:
        raise UsageError(f"The bytes of feed {feed_id} are not kept any more.")
    return row.name, decompress(row.payload)


def planned_report(
    connection: Connection,
    feed: FeedName,
    plan: Plan,
    outcome: str,
    detail: str | None,
    warnings: list[Any],
    shown: int | None = None,
) -> Report:
    """What would become of a feed that is planned in this transaction; as `report`, without an id."""
    connection.execute(text("CREATE TEMP TABLE told_row (LIKE ops.feed_row INCLUDING DEFAULTS) ON COMMIT DROP"))
    keep_rows(connection, plan, 0, "told_row")
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
        "rows": _rows(connection, "SELECT * FROM told_row", shown),
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
    return {name: counts.get(name, 0) for name in ("rows", *FEED_COUNTS)}


def _rows(connection: Connection, query: str, shown: int | None, **parameters: Any) -> list[Report]:
    some = f"WHERE outcome <> 'unchanged' ORDER BY row LIMIT {shown}" if shown is not None else "ORDER BY row"
    told = text(f"SELECT {', '.join(TOLD_COLUMNS)} FROM ({query}) AS told {some}")
    found = connection.execute(told, parameters).mappings()
    return [
        {**row, "changes": row["changes"] or {}, "errors": row["errors"] or [], "warnings": row["warnings"] or []}
        for row in found
    ]
