"""What rejected documents name: they list rows too, though nothing of them is published."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from catalog_pipeline.database.bulk import analyze, copy_rows, create_staging
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.listing import Source

FILLS = {
    "organization": ("organization",),
    "course": ("catalog_course", "course_run"),
    "course_run": ("course_run",),
    "program": ("program",),
}
"""The tables whose rows the documents of a kind list."""
LONGEST_NAME = 255
CHUNK = 1_000

REJECTED = """
    SELECT d.id, d.kind, d.payload FROM landing.document d
    WHERE d.source = :source AND d.missing_since IS NULL AND d.id > :after
      AND EXISTS (SELECT FROM ops.rejected_record r WHERE r.document_id = d.id AND r.cleared_at IS NULL)
      AND NOT EXISTS (SELECT FROM pending p WHERE p.id = d.id AND NOT p.rejected)
    ORDER BY d.id LIMIT :limit"""


def stage_names_in_rejected(publication: Publication, source: Source) -> None:
    """Make `named_in_rejected` (table_name, folded): the texts that rejected documents have, by table that they list.

    A document may be rejected because it is malformed. So it is not read by its columns: any text in it counts that
    may be the key or uuid of a row, wherever it stands.
    """
    create_staging(publication.connection, "text_in_rejected", {"kind": "text", "value": "text"})
    after = 0
    while chunk := publication.connection.execute(
        text(REJECTED), {"source": source.SOURCE, "after": after, "limit": CHUNK}
    ).all():
        names = {(row.kind, name) for row in chunk for name in _names(decode(decompress(row.payload)))}
        copy_rows(publication.connection, "text_in_rejected", {"kind": "text", "value": "text"}, names)
        after = chunk[-1].id
    tables = ", ".join(f"('{kind}', '{table}')" for kind, tables in FILLS.items() for table in tables)
    publication.execute(f"""
        CREATE TEMP TABLE named_in_rejected ON COMMIT DROP AS
        SELECT DISTINCT f.table_name, {folded("t.value")} AS folded
        FROM text_in_rejected t JOIN (VALUES {tables}) AS f (kind, table_name) USING (kind)""")
    analyze(publication.connection, "named_in_rejected")


def _names(value: Any) -> Iterator[str]:
    """The texts in a JSON value that may be names: printable and not too long."""
    if isinstance(value, str):
        if len(value) <= LONGEST_NAME and value.isprintable():
            yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _names(inner)
