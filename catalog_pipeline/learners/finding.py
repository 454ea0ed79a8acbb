"""Finds the learner whom a person names: `id:17`, `user:ann`, `key:ORG:KEY`, or a key alone."""

import re

from sqlalchemy import Connection

from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.learners.retirement import retired_forms

FORMS = "id:17, user:ann, key:ORG:KEY, or a key of an organization"
BY_ID = "SELECT id FROM catalog.learner WHERE id = CAST(:text AS bigint)"
BY_NAME = f"SELECT id FROM catalog.learner WHERE {folded('user_name')} IN ({folded(':text')}, :retired)"
BY_KEY = f"""
    SELECT DISTINCT k.learner_id AS id FROM catalog.learner_key k
    WHERE {folded("k.external_key")} IN ({folded(":text")}, :retired)
      AND (CAST(:organization AS bigint) IS NULL OR k.organization_id = :organization) ORDER BY 1"""


def find_learner(connection: Connection, asked: str, secret: bytes, organization: int | None = None) -> int:
    """The id of the learner whom `asked` names, retired or not. Raises UsageError.

    `organization`: the id of the one whose keys are meant where none is named; without it, all of them.
    """
    form, _, rest = asked.strip().partition(":")
    if form == "id" and re.fullmatch("[0-9]{1,18}", rest):
        found = rows(connection, BY_ID, text=rest)
    elif form == "user":
        found = rows(connection, BY_NAME, **_forms(rest, secret))
    elif form == "key":
        name, _, key = rest.partition(":")
        found = rows(connection, BY_KEY, organization=_organization(connection, name), **_forms(key, secret))
    else:
        found = rows(connection, BY_KEY, organization=organization, **_forms(asked, secret))
    if not found:
        raise UsageError(f"There is no such learner. Name one as {FORMS}.")
    if len(found) > 1:
        several = ", ".join(f"id:{row['id']}" for row in found)
        raise UsageError(f"Several organizations have a learner of that key. Say which: {several}.")
    return found[0]["id"]


def _forms(typed: str, secret: bytes) -> dict[str, str]:
    text = typed.strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        text = ""
    if "\0" in text:
        text = ""
    return {"text": text, "retired": retired_forms(secret, [text])[0]}


def _organization(connection: Connection, key: str) -> int:
    query = f"SELECT id FROM catalog.organization WHERE {folded('key')} = {folded(':key')}"
    found = rows(connection, query, key=key.strip())
    if not found:
        raise UsageError(f"There is no organization {key.strip()}.")
    return found[0]["id"]
