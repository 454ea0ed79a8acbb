"""What one document says of a run or a course: what a load would read, without pandas, which takes a second to load."""

from collections.abc import Sequence

from sqlalchemy import Connection

from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.models.fields import Field
from catalog_pipeline.schemas.cells import READERS, read_course_key, read_text
from catalog_pipeline.sources import discovery, lms
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.listing import Cells, MisfitError, read_rows

SOURCES = {discovery.SOURCE: discovery, lms.SOURCE: lms}
KEYS = {"course_run": ("run_key", read_text), "catalog_course": ("key", read_course_key)}
"""The column of a table's key, and what reads it."""


def said(connection: Connection, document: Row, table: str, key: str, fields: Sequence[Field]) -> Row:
    """The values that a document gives for the fields of a run or course; none where it does not describe it."""
    content = decode(decompress(document["payload"]))
    try:
        found = read_rows(0, content, SOURCES[document["source"]].rows_of(document["kind"]))
    except MisfitError:
        return {}
    cells = _cells_of(connection, [cells for name, cells in found if name == table], table, key)
    return {field.name: READERS[field.kind](cells.get(field.name)) for field in fields} if cells else {}


def _cells_of(connection: Connection, listed: list[Cells], table: str, key: str) -> Cells | None:
    """The first cells of that key, compared as the catalog compares keys."""
    column, read = KEYS[table]
    found = rows(
        connection,
        f"""SELECT number FROM unnest(CAST(:keys AS text[])) WITH ORDINALITY AS given (key, number)
            WHERE {folded("key")} = {WANTED} ORDER BY number LIMIT 1""",
        keys=[read(cells.get(column)) for cells in listed],
        key=key,
    )
    return listed[found[0]["number"] - 1] if found else None
