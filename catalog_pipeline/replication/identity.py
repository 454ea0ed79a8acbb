"""Finds which row of the catalog each staged row is: the one with the upstream's uuid, else with the folded key.

`resolve` makes `resolved_<table>` of `staged_<table>`: the staged rows that may be merged, each with the `id` of the
row that it is, or of a new one. No two have the same id. What collides is rejected, and a row that stands stays as it
was.

A row may take the key of another row that gets a new key in the same load. So before the merge `park_keys` replaces
each key that is given up in this way by one that nobody has; rows can then even exchange their keys, one by one.
"""

from dataclasses import dataclass

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.placeholders import PLACEHOLDER
from catalog_pipeline.loading.publication import Publication


@dataclass(frozen=True)
class Identity:
    """How rows of one table are told apart."""

    table: str
    key: str
    same: str
    """The columns of a duplicate: a staged row that equals another one in all of these does not collide with it."""
    staged: str = "true"
    """Which of the staged rows are meant, as SQL over s."""
    extra: str = ""
    """Further columns to select, as SQL over s (the staged row)."""
    parked: tuple[str, ...] = ()
    """The unique columns besides the key that are parked with it."""


def _organization(column: str, value: str) -> str:
    return f"(SELECT o.id FROM catalog.organization o WHERE {column} = {value})"


NAMED_UPSTREAM = "(o.uuid IS NOT NULL OR o.listed_by_id IS NOT NULL)"
"""SQL over o: some document lists or mentions the organization; it was not made of a key alone."""

ORGANIZATION = Identity(
    "organization",
    "key",
    "uuid, folded",
    staged="s.listed",  # one that a course only mentions competes with nobody
)
CATALOG_COURSE = Identity(
    "catalog_course",
    "key",
    "document_id, uuid, key",
    # The organization in the key, if upstream names it anywhere; else the first owner; else the one that was made of
    # the key. The load has made sure that one of them exists.
    extra=f"""coalesce(
        {_organization(f"{NAMED_UPSTREAM} AND {folded('o.key')}", folded("s.key_org"))},
        {_organization("o.uuid", "s.first_owner_uuid")},
        {_organization(folded("o.key"), folded("s.first_owner"))},
        {_organization(folded("o.key"), folded("s.key_org"))}
    ) AS organization_id, {folded("s.course_code")} AS folded_code,""",
    parked=("course_code",),
)
COURSE_RUN = Identity("course_run", "run_key", "document_id, uuid, run_key, variant_id")


def resolve(publication: Publication, identity: Identity) -> None:
    """Make `resolved_<table>` from `staged_<table>`; reject what collides; count repeated rows as duplicates.

    Of rows that collide, the one that stands already goes first, then the lower key; never the one that came first.
    """
    table = identity.table
    sequence = publication.scalar("SELECT pg_get_serial_sequence(:table, 'id')", table=f"catalog.{table}")
    publication.execute(
        f"""
        CREATE TEMP TABLE resolved_{table} ON COMMIT DROP AS
        WITH {_once(identity)}, {_found(identity)}, {_ranked(identity)}
        SELECT r.*, coalesce(uuid_id, key_id) AS found_id,
               CASE WHEN key_rank > 1 THEN first_key
                    WHEN uuid_rank > 1 THEN first_uuid_key
                    WHEN uuid_stands THEN uuid_key
                    WHEN uuid_id IS NULL AND key_stands THEN standing_key END AS collides_with,
               coalesce(uuid_id, key_id, nextval('{sequence}')) AS id,
               document_id AS listed_by_id, NULL::timestamptz AS missing_since
        FROM ranked r""",
        source=publication.report.source,
    )
    staged = publication.scalar(f"SELECT count(*) FROM staged_{table} s WHERE {identity.staged}")
    resolved = publication.scalar(f"SELECT count(*) FROM resolved_{table}")
    publication.count(f"catalog.{table}", {"duplicate": staged - resolved})
    _reject_collisions(publication, identity)
    reject_taken_keys(publication, identity)
    analyze(publication.connection, f"resolved_{table}")


def _once(identity: Identity) -> str:
    """SQL of `once`: the staged rows, each but once."""
    return f"""
        once AS (
            SELECT DISTINCT ON ({identity.same}) s.*, {identity.extra} true AS staged
            FROM staged_{identity.table} s WHERE {identity.staged} ORDER BY {identity.same}, s.document_id)"""


def _found(identity: Identity) -> str:
    """SQL of `found`: with each row, the row of the catalog that has its uuid (u) and the one that has its key (k).

    A row that has the key is another one if the load gives it a new key (it is in `renamed`). `holds` tells whether
    the row that is found is listed by the same document already.
    """
    table, key = identity.table, identity.key
    return f"""
        renamed AS (
            SELECT DISTINCT t.id FROM once s JOIN catalog.{table} t ON t.uuid = s.uuid
            WHERE {folded(f"t.{key}")} <> s.folded
        ), found AS (
            SELECT s.*, u.id AS uuid_id, CASE WHEN n.id IS NULL THEN k.id END AS key_id,
                   u.{key} AS uuid_key, k.{key} AS standing_key,
                   {_stands("u")} AS uuid_stands, {_stands("k")} AS key_stands,
                   coalesce(u.listed_by_id, k.listed_by_id) IS NOT DISTINCT FROM s.document_id AS holds
            FROM once s
            LEFT JOIN catalog.{table} u ON u.uuid = s.uuid {_listing("u")}
            LEFT JOIN catalog.{table} k ON {folded(f"k.{key}")} = s.folded {_listing("k")}
            LEFT JOIN renamed n ON n.id = k.id)"""


def _ranked(identity: Identity) -> str:
    """SQL of `ranked`: with each row, its place among the staged rows of its key, and among those of its uuid."""
    key = identity.key
    order = f'NOT s.holds, s.uuid_id IS NULL, s.{key} COLLATE "C", s.uuid, s.document_id'
    return f"""
        ranked AS (
            SELECT s.*, first_value(s.{key}) OVER by_key AS first_key, row_number() OVER by_key AS key_rank,
                   first_value(s.{key}) OVER by_uuid AS first_uuid_key,
                   CASE WHEN s.uuid IS NULL THEN 1 ELSE row_number() OVER by_uuid END AS uuid_rank
            FROM found s
            WINDOW by_key AS (PARTITION BY s.folded ORDER BY {order}),
                   by_uuid AS (PARTITION BY s.uuid ORDER BY {order}))"""


def _listing(row: str) -> str:
    """SQL that joins the document that lists a row, and its entry in `pending` if this load decides it."""
    return f"""
        LEFT JOIN landing.document {row}_by ON {row}_by.id = {row}.listed_by_id
        LEFT JOIN pending {row}_pending ON {row}_pending.id = {row}.listed_by_id AND NOT {row}_pending.rejected"""


def _stands(row: str) -> str:
    """SQL of whether a row keeps its key and uuid: it is listed by a document that this load does not decide.

    If the load decides its document, the row competes for them by its staged row.
    """
    return f"({row}.missing_since IS NULL AND {row}_by.source = :source AND {row}_pending.id IS NULL)"


def reject_taken_keys(publication: Publication, identity: Identity) -> None:
    """Reject resolved rows whose key a row outside this load has.

    Rejecting them leaves more rows outside the load, so this is repeated until none is found.
    """
    while _mark_taken(publication, identity):
        _reject_collisions(publication, identity)


def _mark_taken(publication: Publication, identity: Identity) -> int:
    """Mark rows whose key a row outside this load has; returns how many."""
    table, key = identity.table, identity.key
    return publication.execute(f"""
        UPDATE resolved_{table} r SET collides_with = t.{key} FROM catalog.{table} t
        WHERE {folded(f"t.{key}")} = r.folded AND t.id IS DISTINCT FROM r.found_id
          AND NOT EXISTS (SELECT FROM resolved_{table} w WHERE w.found_id = t.id)""")


def _reject_collisions(publication: Publication, identity: Identity) -> None:
    table, key = identity.table, identity.key
    publication.reject(
        f"catalog.{table}",
        f"""
        SELECT document_id, {key} AS record_key, '{key}' AS column_name, {key} AS value,
               CASE WHEN collides_with = {key} THEN 'duplicate_key'
                    WHEN {folded("collides_with")} = folded THEN 'case_collision' ELSE 'duplicate_uuid' END AS rule,
               CASE WHEN collides_with = {key} THEN 'Another row with this key stands.'
                    WHEN {folded("collides_with")} = folded
                        THEN format('The key differs only in case from %s, which stands.', collides_with)
                    ELSE format('%s has the same uuid, and stands.', collides_with) END
               || ' Rename or remove one upstream.' AS message
        FROM resolved_{table} WHERE collides_with IS NOT NULL""",
    )
    publication.execute(f"DELETE FROM resolved_{table} WHERE collides_with IS NOT NULL")


def park_keys(publication: Publication, identity: Identity) -> None:
    """Replace the keys that rows of this load give up for others of it by keys that nobody has."""
    table, key = identity.table, identity.key
    parked = ", ".join(f"{column} = {PLACEHOLDER}" for column in (key, *identity.parked))
    publication.placeholders += publication.execute(f"""
        UPDATE catalog.{table} t SET {parked} FROM resolved_{table} r
        WHERE t.id = r.id AND {folded(f"t.{key}")} <> r.folded
          AND EXISTS (SELECT FROM resolved_{table} w WHERE w.folded = {folded(f"t.{key}")} AND w.id <> t.id)""")
