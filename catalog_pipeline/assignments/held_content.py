"""Content that is to be assigned: as the replica holds it, read from upstream first where it is not held or too old."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Connection, Engine

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import UpstreamError, UsageError
from catalog_pipeline.replication.content import fetch_by_key, fetched_for_now
from catalog_pipeline.sources.upstreams import Upstreams

HELD = f"""
    SELECT * FROM (
        SELECT r.run_key AS content_key, coalesce(m.content_key, r.parent_content_key) AS parent_key, true AS is_run,
               r.run_key AS preferred_run, coalesce(m.title, r.parent_content_key) AS title, r.price, r.price_from,
               greatest(r.fetched_at, k.fetched_at) AS fetched_at
        FROM catalog.enterprise_catalog k
        JOIN catalog.content_run r ON r.enterprise_catalog_id = k.id AND r.missing_since IS NULL
        LEFT JOIN catalog.content_metadata m ON m.id = r.content_metadata_id
        WHERE k.uuid = :catalog AND {folded("r.run_key")} = {folded(":key")}
          AND m.status IS DISTINCT FROM 'not_in_catalog'
        UNION ALL
        SELECT m.content_key, NULL, false, m.advertised_run_key, coalesce(m.title, m.content_key), m.price,
               m.price_from, greatest(m.fetched_at, k.fetched_at)
        FROM catalog.enterprise_catalog k JOIN catalog.content_metadata m ON m.enterprise_catalog_id = k.id
        WHERE k.uuid = :catalog AND {folded("m.content_key")} = {folded(":key")} AND m.status = 'found'
    ) AS held LIMIT 1"""


@dataclass(frozen=True)
class HeldContent:
    """A course or a run, as a catalog's replica has it."""

    content_key: str
    parent_key: str | None
    """The key of the course, where this is a run."""
    is_run: bool
    preferred_run: str | None
    """The run whose dates count: itself, or the advertised one."""
    title: str
    canonical_cents: Decimal | None
    """Its price; None where nobody says one."""
    fetched_at: datetime


@dataclass(frozen=True)
class Wanted:
    """Which content is wanted, as of when, and whether it is kept if it has to be fetched."""

    catalog: UUID
    key: str
    as_of: datetime
    keep: bool


@dataclass(frozen=True)
class Current:
    """Content that may be used, None where the catalog does not have it; where it is seen; and warnings."""

    bound: Engine | Connection
    content: HeldContent | None
    warnings: list[str] = field(default_factory=list)


def read(connection: Connection, catalog: UUID | None, key: str) -> HeldContent | None:
    """The content as it is held now, by its key in any case; None where the catalog does not have it."""
    found = rows(connection, HELD, catalog=catalog, key=key)
    if not found:
        return None
    row = found[0]
    price, price_from = row.pop("price"), row.pop("price_from")
    cents = None if price is None or price_from in (None, "none") else price * 100
    return HeldContent(**row, canonical_cents=cents)


@contextmanager
def current(engine: Engine, upstreams: Upstreams, wanted: Wanted) -> Iterator[Current]:
    """The content, fetched by its key first where it is not held or too old.

    Where upstream cannot be read or is not configured, an old copy counts, with a warning. Raises UpstreamError or
    UsageError where there is none.
    """
    with connected(engine) as connection:
        held = read(connection, wanted.catalog, wanted.key)
    if held is not None and wanted.as_of - held.fetched_at <= timedelta(hours=upstreams.settings.content_max_age):
        yield Current(engine, held)
        return
    with ExitStack() as stack:
        try:
            bound = _fetch(stack, engine, upstreams, wanted)
        except (UpstreamError, UsageError) as error:
            if held is None:
                raise
            read_at = f"{held.fetched_at:%Y-%m-%d %H:%M} UTC"
            found = Current(engine, held, [f"{wanted.key} was last read on {read_at}, and cannot be read now: {error}"])
        else:
            with connected(bound) as connection:
                found = Current(bound, read(connection, wanted.catalog, wanted.key))
        yield found


def _fetch(stack: ExitStack, engine: Engine, upstreams: Upstreams, wanted: Wanted) -> Engine | Connection:
    """Fetch the content; returns where it is seen. What is not to be kept is taken back when the stack is closed."""
    if wanted.keep:
        fetch_by_key(engine, upstreams, wanted.catalog, [wanted.key])
        return engine
    return stack.enter_context(fetched_for_now(engine, upstreams, wanted.catalog, [wanted.key]))


def priced(held: HeldContent | None, upstreams: Upstreams, customer: UUID) -> tuple[HeldContent | None, list[str]]:
    """The content with a price: where its catalog says none, the subsidy's; and warnings."""
    if held is None or held.canonical_cents is not None:
        return held, []
    try:
        summary = upstreams.client("subsidy").get(
            f"/api/v1/content-metadata/{quote(held.content_key, safe='')}/", {"enterprise_customer_uuid": str(customer)}
        )
    except (UpstreamError, UsageError) as error:
        return held, [f"The catalog says no price of {held.content_key}, and the subsidy's cannot be read: {error}"]
    return replace(held, canonical_cents=_cents(summary)), []


def _cents(summary: Any) -> Decimal | None:
    price = summary.get("content_price") if isinstance(summary, dict) else None
    return Decimal(price) if isinstance(price, int) and not isinstance(price, bool) and price >= 0 else None
