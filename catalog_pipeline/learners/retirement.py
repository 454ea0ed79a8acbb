"""Hashes in place of the name and the keys of a retired learner: they are known again, and cannot be read back."""

import hmac
import os
import secrets
from collections.abc import Iterable

import pandas as pd

from catalog_pipeline.folders import make_private
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.settings import Settings

FILE = "retirement_secret"
PREFIX = "retired:"


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
    folded = fold(pd.Series(list(texts), dtype="str"))
    return [PREFIX + hmac.digest(secret, text.encode(), "sha256").hex() for text in folded]
