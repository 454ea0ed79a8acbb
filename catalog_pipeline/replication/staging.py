# pyright: reportArgumentType=false
"""Reads the pending documents of a source into staging tables: typed, validated, one for each table that they fill."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.rules.course_keys import fold, parse_keys
from catalog_pipeline.schemas.catalog import FRAMES, OPTIONAL_VALUES, RECORD_KEYS, parse_table
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY, NUMBER, TEXT, no_failures, validate
from catalog_pipeline.sources.documents import decode, decompress, seldom_collected
from catalog_pipeline.sources.listing import Picked, Source

CHUNK = 5_000
SQL_TYPES = {TEXT: "text", INSTANT: "timestamptz", MONEY: "numeric(12, 2)", FLAG: "boolean", NUMBER: "bigint"}
MAIN_TABLES = {
    "organization": "organization",
    "course": "catalog_course",
    "course_run": "course_run",
    "program": "program",
}
"""The table with one row for each document of a kind."""
DERIVED = {
    "organization": {"listed": "boolean", "folded": "text"},
    "catalog_course": {"key_org": "text", "course_code": "text", "folded": "text"},
    "course_run": {"key_org": "text", "key_course": "text", "key_run": "text", "course_key": "text", "folded": "text"},
    "program": {"folded": "text"},
    "program_course": {"folded": "text"},
    "program_organization": {"folded": "text"},
    "curriculum": {"folded": "text"},
    "curriculum_course": {"folded": "text"},
    "curriculum_program": {"folded": "text"},
}
"""The columns of each staging table that are not picked but derived, with their SQL types."""


@dataclass(frozen=True)
class Chunk:
    """Some pending documents of one kind, as rows of `landing.document`."""

    kind: str
    documents: Sequence[Any]

    @property
    def ids(self) -> list[int]:
        """The documents' ids."""
        return [document.id for document in self.documents]


NEXT_PENDING = f"""
    SELECT d.id, d.payload_hash, d.payload FROM landing.document d
    WHERE d.source = :source AND d.kind = :kind AND d.id > :after AND {PENDING}
      AND NOT EXISTS (SELECT FROM pending p WHERE p.id = d.id)
    ORDER BY d.id LIMIT :limit"""


def stage(publication: Publication, source: Source, reject_share: float) -> None:
    """Fill `pending` with the documents that this load decides, and `staged_<table>` from them; record the rejects.

    Raises LoadRefusedError when more than `reject_share` of what the source lists is bad.
    """
    create_staging(
        publication.connection,
        "pending",
        {"id": "bigint PRIMARY KEY", "kind": "text", "payload_hash": "bytea", "rejected": "boolean"},
    )
    for table, schema in FRAMES.items():
        types = {name: SQL_TYPES[column.dtype.type] for name, column in schema.columns.items() if name != "document"}
        types |= {name: "uuid" for name in types if name.endswith(("uuid", "variant_id"))}
        create_staging(publication.connection, f"staged_{table}", {"document_id": "bigint", **types, **DERIVED[table]})
    _stage_pending(publication, source)
    _refuse_if_too_bad(publication, source.SOURCE, reject_share)


def stage_again(publication: Publication, source: Source, documents: str) -> None:
    """Add settled documents to those that this load decides; `documents` is SQL of their ids."""
    if publication.execute(f"UPDATE landing.document SET settled_rules = NULL WHERE id IN ({documents})"):
        _stage_pending(publication, source)


def _stage_pending(publication: Publication, source: Source) -> None:
    """Stage the pending documents that this load has not staged yet."""
    with seldom_collected():
        for listing in source.LISTINGS:
            for chunk in _chunks(publication, source.SOURCE, listing.kind):
                _stage_chunk(publication, source, chunk)
    analyze(publication.connection, "pending", *(f"staged_{table}" for table in FRAMES))
    _clear_rejects(publication)


def _chunks(publication: Publication, source: str, kind: str) -> Iterator[Chunk]:
    """The pending documents of a kind, CHUNK at a time; counts them, and adds the missing ones to `pending`."""
    after = 0
    while True:
        rows = publication.connection.execute(
            text(NEXT_PENDING), {"source": source, "kind": kind, "after": after, "limit": CHUNK}
        ).all()
        if not rows:
            return
        publication.report.documents += len(rows)
        # A document that upstream no longer lists has no hash, and gives no rows.
        here = [row for row in rows if row.payload_hash is not None]
        _add_pending(publication, kind, [row for row in rows if row.payload_hash is None], set())
        yield Chunk(kind, here)
        after = rows[-1].id


def _add_pending(publication: Publication, kind: str, documents: Sequence[Any], bad: set[int]) -> None:
    hashes = [None if d.payload_hash is None else f"\\x{d.payload_hash.hex()}" for d in documents]
    ids = [d.id for d in documents]
    frame = pd.DataFrame({"id": ids, "kind": kind, "payload_hash": hashes, "rejected": [i in bad for i in ids]})
    copy_frame(publication.connection, "pending", frame)


def _stage_chunk(publication: Publication, source: Source, chunk: Chunk) -> None:
    picked = source.pick_columns(
        chunk.kind, ((number, decode(decompress(d.payload))) for number, d in enumerate(chunk.documents))
    )
    frames, rejects = {}, [_misfits(chunk, picked)]
    for table, columns in picked.tables.items():
        frames[table], failures = _typed(table, columns)
        rejects.append(_rejects(chunk, table, frames[table], failures, columns))
    found = pd.concat([frame for frame in rejects if not frame.empty] or [rejects[0]], ignore_index=True)
    bad = set(found.loc[~_is_of_a_value(found), "document_id"])
    publication.count(f"catalog.{MAIN_TABLES[chunk.kind]}", {"rejected": len(picked.misfits)})
    _add_pending(publication, chunk.kind, chunk.documents, bad)
    publication.report.rejected_documents += len(bad)
    if len(found):
        publication.reject_frame(found)
    for table, frame in frames.items():
        document_id = pd.Series(chunk.ids, dtype="int64").take(frame.pop("document").astype("int64")).to_numpy()
        kept = ~pd.Series(document_id).isin(bad).to_numpy()
        publication.count(f"catalog.{table}", {"rejected": int((~kept).sum())} if table != "organization" else {})
        staged = frame.assign(document_id=document_id)[kept]
        if table == "organization":
            # Thousands of courses repeat their owners: most of the repetition is left out here, cheaply.
            staged = staged.assign(listed=chunk.kind == "organization").drop_duplicates(
                ["uuid", "key", "name", "listed"]
            )
        copy_frame(publication.connection, f"staged_{table}", staged)


def _typed(table: str, columns: dict[str, list[Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parse and validate the cells of a table, and add the columns of DERIVED: (frame, failures)."""
    frame, unparsed = parse_table(table, columns)
    invalid = validate(frame, FRAMES[table])
    if not unparsed.empty and not invalid.empty:
        # A cell that did not parse is null from here on. It is not rejected a second time because it is missing.
        known = pd.MultiIndex.from_frame(unparsed[["row", "column"]])
        invalid = invalid[~pd.MultiIndex.from_frame(invalid[["row", "column"]]).isin(known)]
    failures = [unparsed, invalid]
    for name in OPTIONAL_VALUES.get(table, ()):
        frame.loc[invalid.loc[invalid["column"] == name, "row"].astype("int64"), name] = None
    if table == "course_run":
        keys = parse_keys(frame["run_key"])
        failures.append(_wrong_keys(frame["run_key"], keys))
        frame = frame.assign(
            run_key=keys["stored"].fillna(frame["run_key"]),
            key_org=keys["org"],
            key_course=keys["course"],
            key_run=keys["run"],
            course_key=keys["course_key"],
        )
    if table == "catalog_course":
        parts = frame["key"].str.split("+", n=1, expand=True).reindex(columns=[0, 1])
        frame = frame.assign(key_org=parts[0], course_code=parts[1])
    frame = frame.assign(folded=fold(frame[RECORD_KEYS[table]]))
    filled = [failure for failure in failures if not failure.empty]
    return frame, pd.concat(filled, ignore_index=True) if filled else no_failures()


def _wrong_keys(run_keys: pd.Series, keys: pd.DataFrame) -> pd.DataFrame:
    """The failures of the keys that are no run's; `keys` is what `parse_keys` says of them."""
    wrong = ~keys["valid"] & run_keys.notna()
    return pd.DataFrame(
        {
            "row": wrong.to_numpy().nonzero()[0],
            "column": "run_key",
            "rule": (keys["kind"] == "library").map({True: "not_a_course", False: "invalid_key"})[wrong],
            "value": run_keys[wrong],
            "message": keys["reason"][wrong],
        }
    )


REJECT_COLUMNS = ["document_id", "table_name", "record_key", "column_name", "rule", "value", "message"]


def _misfits(chunk: Chunk, picked: Picked) -> pd.DataFrame:
    rows = [
        (chunk.ids[number], f"catalog.{MAIN_TABLES[chunk.kind]}", None, None, "wrong_shape", None, reason)
        for number, reason in picked.misfits.items()
    ]
    return pd.DataFrame(rows, columns=REJECT_COLUMNS)


def _rejects(
    chunk: Chunk, table: str, frame: pd.DataFrame, failures: pd.DataFrame, columns: dict[str, Sequence[Any]]
) -> pd.DataFrame:
    if failures.empty:
        return pd.DataFrame(columns=REJECT_COLUMNS)
    rows = failures["row"].astype("int64").to_numpy()
    return pd.DataFrame(
        {
            "document_id": [chunk.ids[columns["document"][row]] for row in rows],
            "table_name": f"catalog.{table}",
            "record_key": frame[RECORD_KEYS[table]].take(rows).to_numpy(),
            "column_name": failures["column"].to_numpy(),
            "rule": failures["rule"].to_numpy(),
            "value": failures["value"].to_numpy(),
            "message": failures["message"].to_numpy(),
        }
    )


def _is_of_a_value(rejects: pd.DataFrame) -> pd.Series:
    """Which rejects are of a value alone, and not of its document."""
    return pd.Series(
        [
            column in OPTIONAL_VALUES.get(table.removeprefix("catalog."), ())
            for table, column in zip(rejects["table_name"], rejects["column_name"], strict=True)
        ],
        rejects.index,
        dtype=bool,
    )


def _clear_rejects(publication: Publication) -> None:
    """Close the earlier rejects of the documents that this load decides."""
    publication.execute(
        "UPDATE ops.rejected_record SET cleared_at = now() WHERE cleared_at IS NULL AND load_id <> :load_id"
        " AND document_id IN (SELECT id FROM pending)",
        load_id=publication.report.load_id,
    )


def _refuse_if_too_bad(publication: Publication, source: str, reject_share: float) -> None:
    report = publication.report
    listed = publication.scalar(
        "SELECT count(*) FROM landing.document WHERE source = :source AND missing_since IS NULL", source=source
    )
    if listed and report.rejected_documents / listed > reject_share:
        reasons = publication.connection.execute(
            text(
                "SELECT coalesce(column_name || ' ', '') || rule AS what, count(*) AS n FROM ops.rejected_record"
                " WHERE load_id = :load_id GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
            ),
            {"load_id": report.load_id},
        ).all()
        raise LoadRefusedError(
            f"{report.rejected_documents} of the {listed} documents that {source} lists are bad, over the"
            f" {reject_share:.0%} of CATALOG_REJECT_SHARE: the load was refused whole. Most of all:"
            f" {', '.join(f'{row.what} ({row.n})' for row in reasons)}."
        )
