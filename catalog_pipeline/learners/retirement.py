"""Hashes in place of the name and the keys of a retired learner: they are known again, and cannot be read back."""

import hmac
import os
import secrets
from collections.abc import Iterable

import pandas as pd
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import copy_rows, create_staging
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import rows
from catalog_pipeline.folders import make_private
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.settings import Settings

FILE = "retirement_secret"
PREFIX = "retired:"
RETIRED_TEXT = {"organization_id": "bigint", "folded": "text", "form": "text"}
FORGET_OTHERS = f"""
    DELETE FROM retired_text r
    WHERE CASE WHEN r.organization_id IS NULL
               THEN NOT EXISTS (SELECT FROM catalog.learner l WHERE {folded("l.user_name")} = r.form)
               ELSE NOT EXISTS (SELECT FROM catalog.learner_key k
                                WHERE (k.organization_id, {folded("k.external_key")}) = (r.organization_id, r.form))
          END"""

KNOWN = f"""
    SELECT f.form FROM unnest(CAST(:forms AS text[])) AS f (form)
    WHERE CASE WHEN CAST(:organization AS bigint) IS NULL
               THEN EXISTS (SELECT FROM catalog.learner l WHERE {folded("l.user_name")} = f.form)
               ELSE EXISTS (SELECT FROM catalog.learner_key k
                            WHERE (k.organization_id, {folded("k.external_key")}) = (:organization, f.form)) END"""


def retirement_secret(settings: Settings) -> bytes:
    """The secret of the hashes: as configured, else made once and kept in the home folder, for its owner alone."""
    if settings.retirement_secret is not None:
        return settings.retirement_secret.get_secret_value().encode()
    path = settings.folder / FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        make_private(settings.folder)
    unfinished = path.with_name(f"{FILE}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(unfinished, path)  # unlike a rename, this never replaces the secret of a process that was faster
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    return path.read_bytes()


def retired_forms(secret: bytes, texts: Iterable[str]) -> list[str]:
    """What stands for each name or key once its learner is retired. Case does not matter."""
    keys = fold(pd.Series(list(texts), dtype="str"))
    return [PREFIX + hmac.digest(secret, key.encode(), "sha256").hex() for key in keys]


def stage_retired(connection: Connection, secret: bytes, query: str) -> None:
    """Make the temporary table `retired_text` of the texts that belonged to a retired learner, anew.

    `query` has the columns organization_id (null: the text is a user name) and folded; so has the table, and form, the
    hash by which the text was known.
    """
    connection.execute(text("DROP TABLE IF EXISTS retired_text"))
    create_staging(connection, "retired_text", RETIRED_TEXT)
    if not connection.execute(
        text("SELECT EXISTS (SELECT FROM catalog.learner WHERE retired_at IS NOT NULL)")
    ).scalar():
        return
    asked = rows(connection, f"SELECT DISTINCT organization_id, folded FROM ({query}) AS q WHERE folded IS NOT NULL")
    # Who sends a hash means the learner, too.
    forms = [
        row["folded"] if row["folded"].startswith(PREFIX) else form
        for row, form in zip(asked, retired_forms(secret, [row["folded"] for row in asked]), strict=True)
    ]
    copy_rows(
        connection,
        "retired_text",
        RETIRED_TEXT,
        ((row["organization_id"], row["folded"], form) for row, form in zip(asked, forms, strict=True)),
    )
    connection.execute(text(FORGET_OTHERS))


def known_retired(
    connection: Connection, secret: bytes, texts: Iterable[str], organization_id: int | None = None
) -> dict[str, str]:
    """Of some keys of an organization, or user names without one: those of retired learners, each with its hash."""
    if not _any_retired(connection):
        return {}
    asked = [text for text in dict.fromkeys(texts) if _may_be_stored(text)]
    forms = retired_forms(secret, asked)
    found = rows(connection, KNOWN, forms=forms, organization=organization_id)
    known = {row["form"] for row in found}
    return {text: form for text, form in zip(asked, forms, strict=True) if form in known}


def _any_retired(connection: Connection) -> bool:
    return bool(rows(connection, "SELECT id FROM catalog.learner WHERE retired_at IS NOT NULL LIMIT 1"))


def _may_be_stored(text: str) -> bool:
    """Whether Postgres takes the text: without NUL and halves of signs."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
