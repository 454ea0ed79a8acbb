"""The landed documents that name learners: hashes take the place of the name and the keys of who is retired."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection, text

from catalog_pipeline.database.rows import rows
from catalog_pipeline.learners.retirement import known_retired
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.sources.documents import compress, content_hash, decode, decompress, encode

KEY, NAME = "student_key", "username"
"""The fields by which the LMS names a learner."""
# All that the LMS says of enrollments is said of a program, whose first organization's keys are meant.
DOCUMENTS = """
    SELECT d.id, d.payload,
           (SELECT o.organization_id FROM catalog.program p JOIN catalog.program_organization o ON o.program_id = p.id
            WHERE starts_with(d.key, p.uuid::text) ORDER BY o.position LIMIT 1) AS organization_id
    FROM landing.document d WHERE d.source = 'enrollments' AND d.payload <> '' ORDER BY d.id"""
REPLACE = """
    UPDATE landing.document SET payload = :payload,
        settled_hash = CASE WHEN settled_hash = payload_hash THEN :hash ELSE settled_hash END,
        payload_hash = CASE WHEN payload_hash IS NOT NULL THEN :hash END
    WHERE id = :id"""


@dataclass(frozen=True)
class RetiredKey:
    """A key of a retired learner, and the hash in its place."""

    organization_id: int
    external_key: str
    form: str


def replace_in_documents(connection: Connection, keys: Sequence[RetiredKey], name: tuple[str, str] | None) -> int:
    """Put the hashes into all documents that name the learner; returns how many do.

    `name` is the user name with its hash; None where the learner has none. What is settled stays settled.
    """
    named = dict(zip(_folded(name[:1] if name else ()), name[1:] if name else (), strict=True))
    folded_keys = _folded([key.external_key for key in keys])
    replaced = 0
    for document in rows(connection, DOCUMENTS):
        of_keys = {
            folded: key.form
            for folded, key in zip(folded_keys, keys, strict=True)
            if key.organization_id == document["organization_id"]
        }
        content = decode(decompress(document["payload"]))
        if _replace(content, {KEY: of_keys, NAME: named}):
            values = {"id": document["id"], "payload": compress(encode(content)), "hash": content_hash(content)}
            connection.execute(text(REPLACE), values)
            replaced += 1
    return replaced


def hide_retired(connection: Connection, secret: bytes, organization_id: int | None, content: Any) -> None:
    """Put hashes for the keys and names of retired learners into what the LMS lists of a program, before it is landed.

    `organization_id`: the program's first authoring organization, whose keys are meant.
    """
    named: dict[str, set[str]] = {KEY: set(), NAME: set()}
    for holder in _objects(content):
        for field, texts in named.items():
            if isinstance(holder.get(field), str):
                texts.add(holder[field].strip())
    forms = {NAME: _forms(known_retired(connection, secret, named[NAME])), KEY: {}}
    if organization_id is not None:
        forms[KEY] = _forms(known_retired(connection, secret, named[KEY], organization_id))
    if any(forms.values()):
        _replace(content, forms)


def _forms(known: dict[str, str]) -> dict[str, str]:
    return dict(zip(_folded(list(known)), known.values(), strict=True))


def _folded(texts: Sequence[str]) -> list[str]:
    return list(fold(pd.Series(list(texts), dtype="str")))


def _replace(content: Any, forms: dict[str, dict[str, str]]) -> bool:
    """Put hashes (by field and folded text) into a document; returns whether any was put."""
    found = [(holder, field) for holder in _objects(content) for field in forms if isinstance(holder.get(field), str)]
    folded = _folded([holder[field].strip() for holder, field in found])
    hits = [hit for hit in zip(found, folded, strict=True) if hit[1] in forms[hit[0][1]]]
    for (holder, field), named in hits:
        holder[field] = forms[field][named]
    return bool(hits)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(item)
