"""Tells which standing row each staged row is: by the upstream's uuid, else by its folded key. Collisions are rejects.

After `resolve`, `resolved_<table>` holds the staged rows that may be merged, one for each row of the table, with the
`id` of the standing row or a new one. Keys that rows of this load give up for one another are parked, so that even
rows that swap their keys can be merged one after the other.
"""

from dataclasses import dataclass

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication


@dataclass(frozen=True)
class Identity:
    """How rows of one table are told apart."""

    table: str
    key: str
    same: str
    """Columns in which a repeated row is the same: it is a duplicate, not a collision."""
    extra: str = ""
    """Further columns to select, as SQL over s (the staged row)."""
    order: str = ""
    """Which of two staged rows that claim one place goes first, as SQL over s; before the order of keys."""
    rejects: str = "true"
    """Which losers are worth a reject, as SQL over the resolved row."""
    parked: tuple[str, ...] = ()
    """Columns besides the key that a parked row gives up."""


def _organization(column: str, value: str) -> str:
    return f"(SELECT o.id FROM catalog.organization o WHERE {column} = {value})"


ORGANIZATION = Identity(
    "organization",
    "key",
    "uuid, folded, listed",
    order="NOT s.listed, ",
    rejects="listed",
)
CATALOG_COURSE = Identity(
    "catalog_course",
    "key",
    "document_id, uuid, key",
    # The organization of the key's first part, else the first owner; one of them exists by now.
    extra=f"""coalesce(
        {_organization(folded("o.key"), folded("s.key_org"))},
        {_organization(folded("o.key"), folded("s.first_owner"))},
        {_organization("o.uuid", "s.first_owner_uuid")}
    ) AS organization_id, {folded("s.course_code")} AS folded_code,""",
    parked=("course_code",),
)
COURSE_RUN = Identity("course_run", "run_key", "document_id, uuid, run_key, variant_id")


def resolve(publication: Publication, identity: Identity) -> None:
    """Make `resolved_<table>` from `staged_<table>`; reject what collides; count repeated rows as duplicates.

    What stands already goes before what comes, then the lower key: never the time of arrival.
    """
    table, key = identity.table, identity.key
    sequence = publication.scalar("SELECT pg_get_serial_sequence(:table, 'id')", table=f"catalog.{table}")
    order = f'NOT s.holds, s.uuid_id IS NULL, {identity.order}s.{key} COLLATE "C", s.uuid, s.document_id'
    publication.execute(
        f"""
        CREATE TEMP TABLE resolved_{table} ON COMMIT DROP AS
        WITH once AS (
            SELECT DISTINCT ON ({identity.same}) s.*, {identity.extra} true AS staged
            FROM staged_{table} s ORDER BY {identity.same}, s.document_id
        ), renamed AS (
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
            LEFT JOIN renamed n ON n.id = k.id
        ), ranked AS (
            SELECT s.*, first_value(s.{key}) OVER by_key AS first_key, row_number() OVER by_key AS key_rank,
                   first_value(s.{key}) OVER by_uuid AS first_uuid_key,
                   CASE WHEN s.uuid IS NULL THEN 1 ELSE row_number() OVER by_uuid END AS uuid_rank
            FROM found s
            WINDOW by_key AS (PARTITION BY s.folded ORDER BY {order}),
                   by_uuid AS (PARTITION BY s.uuid ORDER BY {order})
        )
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
    staged = publication.scalar(f"SELECT count(*) FROM staged_{table}")
    resolved = publication.scalar(f"SELECT count(*) FROM resolved_{table}")
    publication.count(f"catalog.{table}", {"duplicate": staged - resolved} if table != "organization" else {})
    _reject_collisions(publication, identity)
    while _mark_taken(publication, identity):
        _reject_collisions(publication, identity)
    _park_keys(publication, identity)
    analyze(publication.connection, f"resolved_{table}")


def _listing(row: str) -> str:
    """SQL that joins the document which lists a row, and whether this load decides it."""
    return f"""
        LEFT JOIN landing.document {row}_by ON {row}_by.id = {row}.listed_by_id
        LEFT JOIN pending {row}_pending ON {row}_pending.id = {row}.listed_by_id AND NOT {row}_pending.rejected"""


def _stands(row: str) -> str:
    """SQL of whether a row stands. One whose document this load decides does not: it competes by its staged row."""
    return f"({row}.missing_since IS NULL AND {row}_by.source = :source AND {row}_pending.id IS NULL)"


def _mark_taken(publication: Publication, identity: Identity) -> int:
    """Mark rows whose key is that of a row outside this load; returns how many. May take several rounds."""
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
        FROM resolved_{table} WHERE collides_with IS NOT NULL AND {identity.rejects}""",
    )
    publication.execute(f"DELETE FROM resolved_{table} WHERE collides_with IS NOT NULL")


def _park_keys(publication: Publication, identity: Identity) -> None:
    table, key = identity.table, identity.key
    parked = ", ".join(f"{column} = '~~~' || t.id" for column in (key, *identity.parked))
    publication.execute(f"""
        UPDATE catalog.{table} t SET {parked} FROM resolved_{table} r
        WHERE t.id = r.id AND {folded(f"t.{key}")} <> r.folded
          AND EXISTS (SELECT FROM resolved_{table} w WHERE w.folded = {folded(f"t.{key}")} AND w.id <> t.id)""")
