# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
"""Reads the pending content documents of a catalog into staging tables: typed, validated, decided by the rules."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.keys import folded
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.replication.content_reading import Content
from catalog_pipeline.replication.staging import REJECT_COLUMNS
from catalog_pipeline.rules.content_rules import RUN_DATES, course_values, normalized_values, run_values
from catalog_pipeline.rules.course_keys import TEXT, fold
from catalog_pipeline.schemas.enterprise import FRAMES, NEEDED, RECORD_KEYS, without_bad_values
from catalog_pipeline.schemas.parsing import parse, validate
from catalog_pipeline.sources import enterprise
from catalog_pipeline.sources.documents import decode, decompress, seldom_collected
from catalog_pipeline.sources.listing import Picked

CHUNK = 2_000
SHARED = {
    **dict.fromkeys(RUN_DATES, "timestamptz"),
    "price": "numeric(12, 2)",
    "currency": "text",
    "price_from": "text",
    "folded": "text",
}
STAGED = {
    "content_metadata": {
        **dict.fromkeys(("content_key", "content_type", "title", "course_type", "product_source"), "text"),
        "content_uuid": "uuid",
        "advertised_run_key": "text",
        "partners": "jsonb",
        "image_url": "text",
        **SHARED,
    },
    "content_run": {
        **dict.fromkeys(("run_key", "parent_content_key", "status", "pacing", "restriction_type"), "text"),
        **dict.fromkeys((f"{name}_raw" for name in ("start", "end", "enrollment_start", "enrollment_end")), "text"),
        "upgrade_deadline_raw": "text",
        "run_uuid": "uuid",
        "weeks_to_complete": "integer",
        "problems": "jsonb",
        "nested": "boolean",
        **SHARED,
    },
}
"""The columns of `staged_<table>`, with their SQL types, beside document_id."""
RUN_CONFLICT = "run_conflict"
"""The rule of a reject: another course of the catalog lists the run too, and has it."""
NEXT_PENDING = f"""
    SELECT d.id, d.payload_hash, d.payload FROM landing.document d
    WHERE d.source = 'enterprise' AND d.kind = 'content' AND d.scope = :uuid AND d.id > :after AND {PENDING}
      AND (:whole OR {folded("d.key")} IN (SELECT folded FROM asked UNION ALL SELECT folded FROM crawled_content))
      AND NOT EXISTS (SELECT FROM pending p WHERE p.id = d.id)
    ORDER BY d.id LIMIT :limit"""
GIVEN_UP = f"""
    WITH given_up AS MATERIALIZED (
        SELECT {folded("r.run_key")} AS folded, p.payload_hash IS NULL AS is_gone
        FROM catalog.content_run r JOIN pending p ON p.id = r.listed_by_id AND NOT p.rejected
        WHERE NOT EXISTS (SELECT FROM staged_content_run s WHERE s.folded = {folded("r.run_key")})),
    -- What a course that is gone held stays, unless another course has it.
    holding AS (
        SELECT d.id FROM given_up g JOIN landing.document d ON {folded("d.key")} = g.folded AND NOT g.is_gone
        WHERE d.source = 'enterprise' AND d.kind = 'content' AND d.scope = :uuid
        UNION
        SELECT c.document_id FROM given_up g JOIN ops.rejected_record c
            ON {folded("c.record_key")} = g.folded AND c.cleared_at IS NULL AND c.rule = '{RUN_CONFLICT}')
    SELECT d.id FROM holding h JOIN landing.document d USING (id)
    WHERE d.source = 'enterprise' AND d.kind = 'content' AND d.scope = :uuid AND d.missing_since IS NULL
      AND NOT EXISTS (SELECT FROM pending o WHERE o.id = d.id)"""
"""SQL of documents that have a run which stood in a course's document, and is there no longer: its own, or those of
other courses that list it too."""


def stage_content(publication: Publication, content: Content, reject_share: float) -> None:
    """Fill `pending` with the documents that this load decides, and `staged_<table>` from them; record the rejects.

    Raises LoadRefusedError when more than `reject_share` of what the catalog lists is bad, where it was read whole.
    """
    uuid = content.catalog.uuid
    create_staging(
        publication.connection,
        "pending",
        {"id": "bigint PRIMARY KEY", "payload_hash": "bytea", "rejected": "boolean"},
    )
    for table, columns in STAGED.items():
        create_staging(publication.connection, f"staged_{table}", {"document_id": "bigint", **columns})
    _stage_pending(publication, content)
    reopened = f"UPDATE landing.document SET settled_rules = NULL WHERE id IN ({GIVEN_UP})"
    if publication.execute(reopened, uuid=uuid):
        _stage_pending(publication, Content(content.catalog))
    if content.whole:
        _refuse_if_too_bad(publication, uuid, reject_share)


def _stage_pending(publication: Publication, content: Content) -> None:
    """Stage the pending documents that this load has not staged yet."""
    after = 0
    with seldom_collected():
        while documents := publication.connection.execute(
            text(NEXT_PENDING),
            {"uuid": content.catalog.uuid, "whole": content.whole, "after": after, "limit": CHUNK},
        ).all():
            after = documents[-1].id
            publication.report.documents += len(documents)
            # A document that upstream no longer lists has no hash, and gives no rows.
            bad = _stage_chunk(publication, [one for one in documents if one.payload_hash is not None])
            _add_pending(publication, documents, bad)
    analyze(publication.connection, "pending", *(f"staged_{table}" for table in STAGED))
    publication.execute(
        "UPDATE ops.rejected_record SET cleared_at = now() WHERE cleared_at IS NULL AND load_id <> :load_id"
        " AND document_id IN (SELECT id FROM pending)",
        load_id=publication.report.load_id,
    )


def _add_pending(publication: Publication, documents: Sequence[Any], bad: set[int]) -> None:
    publication.report.rejected_documents += len(bad)
    hashes = [None if d.payload_hash is None else f"\\x{d.payload_hash.hex()}" for d in documents]
    ids = [d.id for d in documents]
    frame = pd.DataFrame({"id": ids, "payload_hash": hashes, "rejected": [i in bad for i in ids]})
    copy_frame(publication.connection, "pending", frame)


def _stage_chunk(publication: Publication, documents: Sequence[Any]) -> set[int]:
    """Stage the rows of some documents; returns the ids of those that are rejected."""
    ids = np.array([d.id for d in documents], dtype="int64")
    picked = enterprise.pick_columns(
        "content", ((number, decode(decompress(d.payload))) for number, d in enumerate(documents))
    )
    frames, rejects = {}, [_misfits(ids, picked)]
    for table, columns in picked.tables.items():
        frames[table], found = _typed(ids, table, columns)
        rejects.append(found)
    rejected = pd.concat([found for found in rejects if not found.empty] or rejects[:1], ignore_index=True)
    needed = [
        pd.isna(column) or column in NEEDED[table.removeprefix("catalog.")]
        for table, column in zip(rejected["table_name"], rejected["column_name"], strict=True)
    ]
    bad = set(rejected["document_id"][needed])
    publication.reject_frame(rejected)
    publication.count("catalog.content_metadata", {"rejected": len(bad)})
    kept = {
        table: frame[~np.isin(_document_ids(ids, frame), list(bad))].reset_index(drop=True)
        for table, frame in frames.items()
    }
    runs = _decided_runs(kept["content_run"])
    for table, frame in (("content_metadata", _decided(kept["content_metadata"], runs)), ("content_run", runs)):
        staged = frame[list(STAGED[table])].assign(document_id=_document_ids(ids, frame))
        copy_frame(publication.connection, f"staged_{table}", staged)
    return bad


def _document_ids(ids: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    return ids[frame["document"].to_numpy(dtype="int64")]


def _typed(ids: np.ndarray, table: str, columns: dict[str, list[Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The typed rows of a table, without the values that are bad, and the rejects."""
    frame, unparsed = parse(columns, FRAMES[table])
    invalid = validate(frame, FRAMES[table])
    if not unparsed.empty and not invalid.empty:
        # A cell that did not parse is null from here on. It is not rejected a second time because it is missing.
        known = pd.MultiIndex.from_frame(unparsed[["row", "column"]])
        invalid = invalid[~pd.MultiIndex.from_frame(invalid[["row", "column"]]).isin(known)]
    failures = pd.concat([found for found in (unparsed, invalid) if not found.empty] or [unparsed], ignore_index=True)
    failed = failures["row"].astype("int64").to_numpy()
    rejects = pd.DataFrame(
        {
            "document_id": ids[[columns["document"][row] for row in failed]],
            "table_name": f"catalog.{table}",
            "record_key": frame[RECORD_KEYS[table]].take(failed).to_numpy(),
            "column_name": failures["column"].to_numpy(),
            **{name: failures[name].to_numpy() for name in ("rule", "value", "message")},
        }
    )
    optional = invalid[~invalid["column"].isin(NEEDED[table])]
    return without_bad_values(frame, optional).assign(folded=fold(frame[RECORD_KEYS[table]])), rejects


def _misfits(ids: np.ndarray, picked: Picked) -> pd.DataFrame:
    rows = [
        (int(ids[number]), "catalog.content_metadata", None, None, "wrong_shape", None, reason)
        for number, reason in picked.misfits.items()
    ]
    return pd.DataFrame(rows, columns=REJECT_COLUMNS)


def _decided_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with their dates and price, and `problems` as JSON."""
    decided = runs.join(_by_list_or_map(runs, run_values(runs)))
    currency = decided["price_from"].map({"entitlement": "entitlement_currency", "seat": "seat_currency"})
    chosen = (
        decided["seat_currency"]
        .where(currency == "seat_currency")
        .fillna(decided["entitlement_currency"].where(currency == "entitlement_currency"))
    )
    problems = [json.dumps(found) for found in decided["problems"]]
    return decided.assign(currency=chosen.fillna("USD"), problems=pd.Series(problems, decided.index, dtype=TEXT))


def _by_list_or_map(rows: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """The values of rows: as the list of runs says them, or the normalized map where a document has no list."""
    by_map = rows["normalized"].fillna(False).astype(bool).to_numpy()
    if not by_map.any():
        return listed
    mapped = normalized_values(rows).reindex(columns=listed.columns)
    return pd.DataFrame({name: listed[name].where(~by_map, mapped[name]) for name in listed.columns})


def _decided(content: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The content with the dates and price of its advertised run; programs and pathways have none."""
    values = _by_list_or_map(content, course_values(content, runs))
    decided = content.join(values)
    by_key = runs.drop_duplicates(["document", "run_key"]).set_index(["document", "run_key"])["currency"]
    wanted = pd.MultiIndex.from_arrays([decided["document"], decided["advertised_run_key"]])
    of_run = pd.Series(by_key.reindex(wanted).to_numpy(), decided.index, dtype=TEXT)
    of_course = decided["entitlement_currency"].where(decided["price_from"] == "entitlement")
    decided["currency"] = of_run.fillna(of_course).fillna("USD")
    courses = decided["content_type"] == "course"
    for name in (*RUN_DATES, "price", "currency", "price_from", "advertised_run_key"):
        decided[name] = decided[name].where(courses)
    return decided


def _refuse_if_too_bad(publication: Publication, uuid: str, reject_share: float) -> None:
    report = publication.report
    listed = publication.scalar(
        "SELECT count(*) FROM landing.document WHERE source = 'enterprise' AND kind = 'content' AND scope = :uuid"
        " AND missing_since IS NULL",
        uuid=uuid,
    )
    if listed and report.rejected_documents / listed > reject_share:
        raise LoadRefusedError(
            f"{report.rejected_documents} of the {listed} documents of catalog {uuid} are bad, over the"
            f" {reject_share:.0%} of CATALOG_REJECT_SHARE: the load was refused whole."
        )
