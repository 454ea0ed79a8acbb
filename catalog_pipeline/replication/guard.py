"""The guard: what upstream no longer lists is held back where it is too much, until a person accepts it.

It works on the load's table `leaving` (table_name, id, record_key, document_id), the rows that will be archived or
marked as missing. What it holds back is taken from it; its documents go to `left_pending`, and are decided again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.settings import Settings

ACCEPTED = """
    CREATE TEMP TABLE accepted ON COMMIT DROP AS
    SELECT h.table_name, h.row_id FROM ops.held_removal h JOIN ops.load l ON l.id = h.load_id
    WHERE l.source = :source AND :accept"""
HELD = """
    CREATE TEMP TABLE held ON COMMIT DROP AS
    WITH unaccepted AS (
        SELECT l.* FROM leaving l
        WHERE NOT EXISTS (SELECT FROM accepted a WHERE (a.table_name, a.row_id) = (l.table_name, l.id)))
    -- A document is the unit: of one with a row that is held, all rows stand.
    SELECT u.* FROM unaccepted u WHERE u.document_id IN (
        SELECT n.document_id FROM unaccepted n JOIN landing.document d ON d.id = n.document_id
        WHERE n.table_name = ANY(:too_many) OR {emptied})"""
EMPTIED_LIST = """
    NOT EXISTS (SELECT FROM landing.document o WHERE (o.source, o.scope, o.kind) = (d.source, d.scope, d.kind)
                                                 AND o.missing_since IS NULL)"""
"""Nothing is left of the list that had the document d."""
FORGET_HELD = "DELETE FROM ops.held_removal h USING ops.load l WHERE l.id = h.load_id AND l.source = :source"
KEEP_HELD = """
    INSERT INTO ops.held_removal (load_id, table_name, row_id, record_key, document_id)
    SELECT :load_id, table_name, id, record_key, document_id FROM held"""


@dataclass(frozen=True)
class Guarded:
    """What a load may remove, and what a person is told where that is too much."""

    standing: Mapping[str, str]
    """Table → SQL that counts the rows that stood in it before the load."""
    gone: str
    """Whose rows are gone, as in `that discovery listed`."""
    empty: str
    """What is to be said where a whole list came back empty."""
    accept: str
    """The command that accepts what is held back."""
    emptied: str = EMPTIED_LIST
    """SQL over d, the document of a row that leaves: whether nothing is left of its list."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Those of `standing`."""


def hold_back(publication: Publication, guarded: Guarded, settings: Settings, *, accept: bool) -> None:
    """Take from `leaving` what is too much of a table or all of a list, with all else that the same documents drop.

    With `accept`, what the last load of the source held back is not held again. If anything is held,
    `ops.held_removal` lists it, and the report says so.
    """
    source = publication.report.source
    publication.execute(ACCEPTED, source=source, accept=accept)
    too_many = [found for table in guarded.standing if (found := _too_many(publication, guarded, settings, table))]
    publication.execute(HELD.format(emptied=guarded.emptied), too_many=[table for table, _ in too_many])
    publication.execute(FORGET_HELD, source=source)
    held = publication.execute(KEEP_HELD, load_id=publication.report.load_id)
    publication.execute("DELETE FROM leaving l USING held h WHERE (h.table_name, h.id) = (l.table_name, l.id)")
    publication.execute("INSERT INTO left_pending SELECT DISTINCT document_id FROM held")
    if held:
        publication.report.outcome = "held"
        publication.report.detail = _advice(guarded, held, [told for _, told in too_many], settings.removal_share)


def _too_many(publication: Publication, guarded: Guarded, settings: Settings, table: str) -> tuple[str, str] | None:
    """The table, and how many rows leave it, in words, if more do than may."""
    gone = publication.scalar("SELECT count(*) FROM leaving WHERE table_name = :table", table=table)
    if gone <= settings.removal_floor:
        return None
    standing = publication.scalar(guarded.standing[table], **guarded.parameters)
    if gone <= settings.removal_share * standing:
        return None
    return table, f"{gone} of the {standing} rows of catalog.{table}"


def _advice(guarded: Guarded, held: int, too_many: list[str], share: float) -> str:
    why = (
        f"{', '.join(too_many)} {guarded.gone} are gone upstream, over the {share:.0%} of CATALOG_REMOVAL_SHARE"
        if too_many
        else guarded.empty
    )
    return (
        f"{why}: {held} removals are held back, and what they would archive keeps standing (ops.held_removal lists"
        " it); all else was published. If upstream recovers, the next refresh sees it. If it is meant, run"
        f" `{guarded.accept}`: it reads upstream again, whole, and archives what is listed there and still missing."
    )
