"""Tells which standing row each staged row is: by the upstream's uuid, else by its folded key. Collisions are rejects.

After `resolve`, `resolved_<table>` holds the staged rows that may be merged, one for each row of the table, with the
`id` of the standing row or a new one.
"""

from dataclasses import dataclass

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.base import FOLD_COLLATION


@dataclass(frozen=True)
class Identity:
    """How rows of one table are told apart."""

    table: str
    key: str
    extra: str = ""
    """Further columns to select, as SQL over s (the staged row)."""
    order: str = ""
    """Which of two staged rows that claim one place goes first, as SQL over s; before the order of keys."""
    rejects: str = "true"
    """Which losers are worth a reject, as SQL over the resolved row."""


ORGANIZATION = Identity("organization", "key", order="NOT s.listed, ", rejects="listed")
CATALOG_COURSE = Identity(
    "catalog_course",
    "key",
    # The organization of the key's first part, else the first owner; both exist by now.
    extra=f"""coalesce(
        (SELECT o.id FROM catalog.organization o
         WHERE lower(o.key COLLATE {FOLD_COLLATION}) = lower(s.key_org COLLATE {FOLD_COLLATION})),
        (SELECT o.id FROM catalog.organization o
         WHERE lower(o.key COLLATE {FOLD_COLLATION}) = lower(s.first_owner COLLATE {FOLD_COLLATION}))
    ) AS organization_id, lower(s.course_code COLLATE {FOLD_COLLATION}) AS folded_code,""",
)
COURSE_RUN = Identity("course_run", "run_key")


def resolve(publication: Publication, identity: Identity) -> None:
    """Make `resolved_<table>` from `staged_<table>`; reject what collides; count repeated rows as duplicates."""
    table, key = identity.table, identity.key
    # By key, not by time of arrival: the same documents give the same catalog, whatever order they came in.
    order = f'{identity.order}s.{key} COLLATE "C", s.uuid, s.document_id'
    publication.execute(f"""
        CREATE TEMP TABLE resolved_{table} ON COMMIT DROP AS
        WITH once AS (
            SELECT DISTINCT ON (coalesce(s.uuid::text, s.folded)) s.*, {identity.extra} true AS staged
            FROM staged_{table} s
            ORDER BY coalesce(s.uuid::text, s.folded), {order}
        ), found AS (
            SELECT s.*, u.id AS uuid_id, k.id AS key_id, k.{key} AS standing_key,
                   k.uuid IS NOT NULL AND s.uuid IS NOT NULL AND k.uuid <> s.uuid AND k.missing_since IS NULL
                   -- unless its document is gone, or the row itself is renamed by this load
                   AND NOT EXISTS (SELECT FROM pending p WHERE p.id = k.listed_by_id AND p.payload_hash IS NULL)
                   AND NOT EXISTS (SELECT FROM once o WHERE o.uuid = k.uuid AND o.folded <> s.folded) AS key_stands
            FROM once s
            LEFT JOIN catalog.{table} u ON u.uuid = s.uuid
            LEFT JOIN catalog.{table} k ON lower(k.{key} COLLATE {FOLD_COLLATION}) = s.folded
        ), ranked AS (
            SELECT s.*,
                   row_number() OVER by_key AS key_rank,
                   first_value(s.{key}) OVER by_key AS first_key,
                   row_number() OVER (PARTITION BY coalesce(s.uuid_id, s.key_id)
                                      ORDER BY s.uuid_id IS NULL, {order}) AS id_rank
            FROM found s
            WINDOW by_key AS (PARTITION BY s.folded ORDER BY s.uuid_id IS NULL, {order})
        )
        SELECT r.*, coalesce(uuid_id, key_id) AS found_id,
               CASE WHEN key_rank > 1 THEN first_key
                    WHEN uuid_id IS NULL AND key_stands THEN standing_key END AS collides_with,
               (uuid_id IS NOT NULL AND key_id IS NOT NULL AND uuid_id <> key_id)
               OR (coalesce(uuid_id, key_id) IS NOT NULL AND id_rank > 1) AS key_taken
        FROM ranked r""")
    analyze(publication.connection, f"resolved_{table}")
    staged = publication.scalar(f"SELECT count(*) FROM staged_{table}")
    resolved = publication.scalar(f"SELECT count(*) FROM resolved_{table}")
    publication.count(f"catalog.{table}", {"duplicate": staged - resolved} if table != "organization" else {})
    _reject_collisions(publication, identity)
    _assign_ids(publication, table)


def _reject_collisions(publication: Publication, identity: Identity) -> None:
    table, key = identity.table, identity.key
    publication.reject(
        f"catalog.{table}",
        f"""
        SELECT document_id, {key} AS record_key, '{key}' AS column_name,
               CASE WHEN collides_with = {key} THEN 'duplicate_key' ELSE 'case_collision' END AS rule,
               {key} AS value,
               CASE WHEN collides_with = {key} THEN 'Two documents have this key; the first one stands.'
                    ELSE format('The key differs only in case from %s, which stands. Rename or remove one upstream.',
                                collides_with) END AS message
        FROM resolved_{table} WHERE collides_with IS NOT NULL AND {identity.rejects}""",
    )
    publication.execute(f"DELETE FROM resolved_{table} WHERE collides_with IS NOT NULL")
    publication.reject(
        f"catalog.{table}",
        f"""
        SELECT document_id, {key} AS record_key, '{key}' AS column_name, 'key_taken' AS rule, {key} AS value,
               'Another row still has this key; the document stays pending until that one is renamed.' AS message
        FROM resolved_{table} WHERE key_taken AND {identity.rejects}""",
        deferred=True,
    )
    publication.execute(
        f"""INSERT INTO deferred SELECT DISTINCT document_id FROM resolved_{table}
            WHERE key_taken AND {identity.rejects} ON CONFLICT DO NOTHING"""
    )
    publication.execute(f"DELETE FROM resolved_{table} WHERE key_taken")


def _assign_ids(publication: Publication, table: str) -> None:
    sequence = publication.scalar("SELECT pg_get_serial_sequence(:table, 'id')", table=f"catalog.{table}")
    publication.execute(f"ALTER TABLE resolved_{table} ADD COLUMN id bigint")
    publication.execute(f"UPDATE resolved_{table} SET id = coalesce(found_id, nextval('{sequence}'))")
