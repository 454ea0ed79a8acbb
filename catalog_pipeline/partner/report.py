"""Tells what became of a feed: one report for the command, its JSON, and the summary mail."""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, text

from catalog_pipeline.database.rows import Row
from catalog_pipeline.database.rows import rows as read_rows
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.models.feed import FEED_COUNTS
from catalog_pipeline.partner.columns import FeedName
from catalog_pipeline.partner.plan import FeedPlan, Product
from catalog_pipeline.partner.staging import TOLD_COLUMNS, TOLD_ROWS
from catalog_pipeline.sources.documents import decompress


@dataclass
class RowError:
    """Why a row was rejected or deferred."""

    code: str
    value: str | None
    column: str | None
    message: str


@dataclass
class RowWarning:
    """What a row, or the feed as a whole, says that was not followed."""

    code: str
    column: str | None
    message: str


# Not frozen: a feed may have a million rows, and frozen ones take three times as long to make.
@dataclass
class RowReport:
    """What became of one row of a feed."""

    row: int
    """The line that a spreadsheet shows."""
    outcome: str
    reason: str
    course_key: str | None
    run_key: str | None
    variant_id: str | None
    title: str | None
    external_identifier: str | None
    restriction_type: str | None
    is_future_variant: bool
    changes: dict[str, list[Any]]
    """By field: [old, new]."""
    errors: list[RowError]
    warnings: list[RowWarning]

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return {**vars(self), "errors": [*map(vars, self.errors)], "warnings": [*map(vars, self.warnings)]}


@dataclass(frozen=True)
class FeedReport:
    """What became of a feed, or in a dry run would become of it."""

    feed: FeedName
    feed_id: int | None
    """Null in a dry run."""
    outcome: str
    """applied, superseded, held or refused."""
    detail: str | None
    """Why it was not applied, or what was left undone."""
    counts: dict[str, int]
    """Rows, rows by outcome, archived and reactivated courses."""
    warnings: list[RowWarning] = field(default_factory=list)
    """Warnings about the feed as a whole."""
    rows: list[RowReport] = field(default_factory=list)
    archived: list[Product] = field(default_factory=list)
    reactivated: list[Product] = field(default_factory=list)
    missing: list[Product] = field(default_factory=list)
    """The products that are not archived, although the feed does not list them."""
    is_dry_run: bool = False
    skipped: bool = False
    """Whether nothing was decided, because the same bytes are current already."""

    @property
    def is_applied(self) -> bool:
        """Whether the feed was written into the catalog, or would be."""
        return self.outcome == "applied"

    @property
    def exit_code(self) -> ExitCode:
        """The exit status that tells what became of the feed."""
        if not self.is_applied:
            return ExitCode.REFUSED
        left = self.counts["rejected"] + self.counts["deferred"]
        return ExitCode.SOME_ROWS_LEFT if left else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object. `refused` is the detail, where nothing was written."""
        return {
            "feed": {name: getattr(self.feed, name) for name in ("name", "source", "product_type", "sha256")},
            "feed_id": self.feed_id,
            "dry_run": self.is_dry_run,
            "outcome": self.outcome,
            "detail": self.detail,
            "refused": None if self.is_applied else self.detail,
            "counts": self.counts,
            "warnings": [*map(vars, self.warnings)],
            "rows": [row.to_json() for row in self.rows],
            "archived": [*map(vars, self.archived)],
            "reactivated": [*map(vars, self.reactivated)],
            "missing": [*map(vars, self.missing)],
            **({"skipped": True} if self.skipped else {}),
        }


def report(connection: Connection, feed_id: int, shown: int | None = None) -> FeedReport:
    """What became of an ingested feed; with `shown`, only its first rows, and none that is unchanged."""
    feed = connection.execute(text("SELECT * FROM ops.feed WHERE id = :id"), {"id": feed_id}).one()
    removed = f"Its rows were removed on {feed.rows_removed_at:%Y-%m-%d}." if feed.rows_removed_at else None
    return FeedReport(
        feed=FeedName(feed.name, feed.source, feed.product_type, feed.sha256, feed.received_at),
        feed_id=feed.id,
        outcome=feed.outcome,
        detail=" ".join(filter(None, (feed.detail, removed))) or None,
        counts=_counts(feed.counts),
        warnings=[RowWarning(**warning) for warning in feed.warnings],
        rows=_read(connection, "SELECT * FROM ops.feed_row WHERE feed_id = :id", shown, id=feed_id),
        archived=[Product(**product) for product in feed.archived],
        reactivated=[Product(**product) for product in feed.reactivated],
        missing=[Product(**product) for product in feed.missing],
    )


def planned_report(connection: Connection, plan: FeedPlan, shown: int | None = None) -> FeedReport:
    """What would become of a feed that is planned in this transaction; as `report`, without an id."""
    rows = _read(connection, TOLD_ROWS, shown)
    if shown is None:
        rows = sorted([*rows, *_unchanged(plan)], key=lambda told: told.row)
    return FeedReport(
        feed=plan.feed,
        feed_id=None,
        outcome=plan.outcome,
        detail=plan.detail,
        counts=_counts(plan.counts),
        warnings=[RowWarning(**warning) for warning in plan.warnings],
        rows=rows,
        archived=plan.archived_products,
        reactivated=plan.reactivated_products,
        missing=plan.missing_products,
        is_dry_run=True,
    )


def feeds(connection: Connection, limit: int) -> list[Row]:
    """The last ingested feeds, newest first: id, name, source, product_type, sha256, when, outcome, detail, counts."""
    found = read_rows(
        connection,
        """
        SELECT id, name, source, product_type, sha256, received_at, as_of, ingested_at, outcome, detail, counts
        FROM ops.feed ORDER BY id DESC LIMIT :limit""",
        limit=limit,
    )
    return [{**row, "counts": _counts(row["counts"])} for row in found]


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


def last_with_rejects(connection: Connection) -> int:
    """The id of the newest feed that has rejected rows. Raises UsageError if none has."""
    feed_id = connection.execute(
        text("SELECT max(id) FROM ops.feed WHERE CAST(counts ->> 'rejected' AS bigint) > 0 AND rows_removed_at IS NULL")
    ).scalar_one()
    if feed_id is None:
        raise UsageError("No feed has rejected rows; `catalog-pipeline partner feeds` lists the feeds.")
    return feed_id


def read_document(connection: Connection, feed_id: int) -> tuple[str, bytes]:
    """The name of a feed, and its bytes as received. Raises UsageError where they were not kept."""
    row = connection.execute(
        text(
            "SELECT f.name, d.payload FROM ops.feed f JOIN landing.document d ON d.id = f.document_id"
            " WHERE f.id = :id AND f.rows_removed_at IS NULL"
        ),
        {"id": feed_id},
    ).one_or_none()
    if row is None:
        raise UsageError(f"The bytes of feed {feed_id} are not kept any more.")
    return row.name, decompress(row.payload)


NOTHING_COUNTED = dict.fromkeys(("rows", *FEED_COUNTS), 0)


def _counts(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in NOTHING_COUNTED}


def _read(connection: Connection, query: str, shown: int | None, **parameters: Any) -> list[RowReport]:
    some = f"WHERE outcome <> 'unchanged' ORDER BY row LIMIT {shown}" if shown is not None else "ORDER BY row"
    told = text(f"SELECT {', '.join(TOLD_COLUMNS)} FROM ({query}) AS told {some}")
    return _rows(connection.execute(told, parameters))


def _unchanged(plan: FeedPlan) -> list[RowReport]:
    """The rows that change nothing, which are not staged."""
    rows = plan.unchanged.assign(changes=None)[list(TOLD_COLUMNS)].astype(object)
    rows = rows.where(rows.notna(), None)
    rows["warnings"] = rows["warnings"].map(orjson.loads, na_action="ignore")
    return _rows(rows.itertuples(index=False, name=None))


def _rows(found: Iterable[Any]) -> list[RowReport]:
    """Rows by TOLD_COLUMNS as reports."""
    return [
        RowReport(
            *told,
            changes=changes or {},
            errors=[RowError(**error) for error in errors or ()],
            warnings=[RowWarning(**warning) for warning in warnings or ()],
        )
        for *told, changes, errors, warnings in found
    ]
