"""The file of a request: which learners get which status."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from catalog_pipeline.errors import UsageError
from catalog_pipeline.sources.documents import decode

LONGEST_KEY = 255
SHAPE = 'a JSON list of {"student_key", "status"}, with "curriculum_uuid" and "course_staff" where wanted'


@dataclass(frozen=True)
class Item:
    """One learner's part of a request. `student_key` is as it was sent; `status` may be any word."""

    student_key: str
    status: str
    curriculum_uuid: UUID | None = None
    course_staff: bool | None = None

    @property
    def key(self) -> str:
        """The key as it is kept: without white space around it."""
        return self.student_key.strip()


def read_items(file: Path) -> list[Item]:
    """The items of a file, `-` being the standard input. Raises UsageError, naming wrong items by position from 1."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        documents = decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        raise UsageError(f"{file} is no JSON. Give {SHAPE}.") from None
    return make_items(documents)


def make_items(documents: Any) -> list[Item]:
    """The items of a decoded request. Raises UsageError."""
    if not isinstance(documents, list):
        raise UsageError(f"The request is no list. Give {SHAPE}.")
    items, wrong = [], []
    for position, document in enumerate(documents, 1):
        try:
            items.append(_item(document))
        except ValueError as error:
            wrong.append(f"item {position}: {error}")
    if wrong:
        more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise UsageError(f"Nothing was applied. {'; '.join(wrong[:10])}{more}.")
    return items


def _item(document: Any) -> Item:
    """Raises ValueError, with what is wrong in words."""
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    status, staff = document.get("status"), document.get("course_staff")
    if status is None:
        raise ValueError("status is missing")
    if not isinstance(staff, bool | None):
        raise ValueError("course_staff is neither true nor false nor null")
    curriculum = document.get("curriculum_uuid")
    # What is no plain word is no status either: the rule says so.
    word = status if isinstance(status, str) and status.isascii() and status.isprintable() else ascii(status)
    return Item(_student_key(document), word, _uuid(curriculum), staff)


def _student_key(document: dict[str, Any]) -> str:
    key = document.get("student_key")
    if key is None:
        raise ValueError("student_key is missing")
    if not isinstance(key, str):
        raise ValueError("student_key is no text")
    if not key.strip():
        raise ValueError("student_key is blank")
    if len(key.strip()) > LONGEST_KEY:
        raise ValueError(f"student_key has {len(key.strip())} characters, and may have {LONGEST_KEY}")
    if "\0" in key or any("\ud800" <= character <= "\udfff" for character in key):
        raise ValueError("student_key has a character that no text may have")
    return key


def _uuid(given: Any) -> UUID | None:
    if given is None:
        return None
    try:
        return UUID(given)
    except (ValueError, AttributeError, TypeError):
        raise ValueError("curriculum_uuid is no uuid") from None
