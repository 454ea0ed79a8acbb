"""Retires a learner: hashes take the place of the name and the keys, wherever they were kept."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.learners.documents import RetiredKey, replace_in_documents
from catalog_pipeline.learners.finding import find_learner
from catalog_pipeline.learners.retirement import retired_forms
from catalog_pipeline.loading.publication import Publication

LEARNER = "SELECT user_name, retired_at FROM catalog.learner WHERE id = :learner"
KEYS = "SELECT id, organization_id, external_key FROM catalog.learner_key WHERE learner_id = :learner ORDER BY id"
RETIRE = """
    UPDATE catalog.learner SET user_name = CAST(:form AS text), retired_at = :as_of WHERE id = :learner"""
REPLACE_KEYS = """
    UPDATE catalog.learner_key k SET external_key = f.form
    FROM unnest(CAST(:ids AS bigint[]), CAST(:forms AS text[])) AS f (id, form) WHERE k.id = f.id"""
# A key may be an address.
DELETE_MAILS = f"""
    DELETE FROM ops.outbox o WHERE EXISTS (
        SELECT FROM unnest(o.recipients || o.delivered) AS address
        WHERE {folded("address")} IN (SELECT {folded("t")} FROM unnest(CAST(:texts AS text[])) AS t))"""
REPLACE_REJECTS = f"""
    UPDATE ops.rejected_record r
    SET value = CASE WHEN {folded("r.value")} = t.folded THEN t.form ELSE r.value END,
        record_key = CASE WHEN {folded("r.record_key")} = t.folded THEN t.form ELSE r.record_key END
    FROM (SELECT DISTINCT {folded("u.text")} AS folded, u.form
          FROM unnest(CAST(:texts AS text[]), CAST(:forms AS text[])) AS u (text, form)) AS t
    WHERE r.table_name = ANY (:tables) AND t.folded IN ({folded("r.value")}, {folded("r.record_key")})"""
TABLES = [
    f"catalog.{name}"
    for name in ("learner", "learner_key", "program_enrollment", "course_enrollment", "program_course_enrollment")
]
# Postgres keeps the commonest values of each column beside its tables.
FORGET_STATISTICS = "ANALYZE catalog.learner, catalog.learner_key, ops.rejected_record, ops.outbox"


@dataclass(frozen=True)
class Retired:
    """A retired learner, and in how many rows of which table the name or a key was replaced."""

    learner_id: int
    retired_at: datetime
    replaced: dict[str, int] = field(default_factory=dict)


def retire(engine: Engine, learner: str, asked: Asked) -> Retired:
    """Retire the learner whom a person names. Once retired, nothing changes. Raises UsageError where there is none.

    Enrollments and seats stay as they are.
    """
    return writing(engine, "retire", asked, lambda load: _retire(load, learner, asked))


def _retire(publication: Publication, named: str, asked: Asked) -> Retired:
    connection = publication.connection
    learner = find_learner(connection, named, asked.secret)
    (standing,) = rows(connection, LEARNER, learner=learner)
    if standing["retired_at"] is not None:
        return Retired(learner, standing["retired_at"])
    keys = rows(connection, KEYS, learner=learner)
    replaced = _replace(publication, learner, standing["user_name"], keys, asked)
    connection.execute(text(FORGET_STATISTICS))
    return Retired(learner, asked.as_of, {table: n for table, n in replaced.items() if n})


def _replace(
    publication: Publication, learner: int, user_name: str | None, keys: list[Row], asked: Asked
) -> dict[str, int]:
    """Replace the name and the keys in every table; returns the number of rows of each."""
    forms = retired_forms(asked.secret, [key["external_key"] for key in keys])
    retired = [
        RetiredKey(key["organization_id"], key["external_key"], form) for key, form in zip(keys, forms, strict=True)
    ]
    name = (user_name, retired_forms(asked.secret, [user_name])[0]) if user_name is not None else None
    updated = {
        "catalog.learner": publication.execute(RETIRE, learner=learner, form=name and name[1], as_of=asked.as_of),
        "catalog.learner_key": publication.execute(REPLACE_KEYS, ids=[key["id"] for key in keys], forms=forms),
    }
    for table, n in updated.items():
        publication.count(table, {"updated": n})
    names: dict[str, Any] = {"texts": [key.external_key for key in retired], "forms": forms}
    if name:
        names = {"texts": [*names["texts"], name[0]], "forms": [*forms, name[1]]}
    return {
        "catalog.learner": updated["catalog.learner"] if name else 0,
        "catalog.learner_key": updated["catalog.learner_key"],
        "landing.document": replace_in_documents(publication.connection, retired, name),
        "ops.rejected_record": publication.execute(REPLACE_REJECTS, tables=TABLES, **names),
        "ops.outbox": publication.execute(DELETE_MAILS, texts=names["texts"]),
    }
