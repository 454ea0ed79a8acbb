"""Reading pages of JSON, and telling whether a document's content changed."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import xxhash
import zstandard

VOLATILE = frozenset(
    {
        "modified",
        "content_last_modified",
        "data_modified_timestamp",
        "enrollment_count",
        "recent_enrollment_count",
        "availability",
        "is_enrollable",
        "is_marketable",
        "marketing_url",
    }
)
"""Fields that move by the clock or the reader, at any depth, and say nothing about the content."""

MOST_NESTED = 200
"""Levels of lists and objects that a document may have: orjson writes 254, and what shows one wraps it in a few."""
NOT_KEPT = "not kept, because"
"""The field of a stand-in that says why the document itself was not kept."""
_READ_ANYWAY = 300
"""Levels of a page that are read where it has too many: more than any document in it may have."""
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A string, which is skipped whole, or a bracket. Nothing is scanned twice, closed or not."""

LEVEL = 1  # a third faster than 3, and 2 % larger
SELDOM = 100_000
"""New objects between two searches for unreachable cycles, against Python's 700."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for unreachable cycles seldom in here: JSON has none, and looking takes a third of a crawl."""
    usual, *older = gc.get_threshold()
    gc.set_threshold(max(usual, SELDOM), *older)
    try:
        yield
    finally:
        if usual < SELDOM:
            gc.set_threshold(usual, *older)


class TooDeepError(ValueError):
    """A document has more levels of lists and objects than any real one, and could not be kept or shown."""

    def __init__(self) -> None:
        super().__init__(f"The document is nested more than {MOST_NESTED} levels deep.")


def decode(body: bytes) -> Any:
    """Parse JSON. Raises ValueError. orjson refuses a page with half a surrogate pair; json reads it.

    Of lists and objects within more than 300 others, nulls are read, so that one document that is nested too deep
    does not hide the others of its page. `content_hash` refuses such a document.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body)
    except RecursionError:
        return json.loads(_shallow(body.decode(json.detect_encoding(body), "surrogatepass")))


def _shallow(text: str) -> str:
    """JSON without what is nested too deep to be read: null stands in its place."""
    kept, depth, end = [], 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == _READ_ANYWAY + 1:
                kept.append(text[end : token.start()])
        elif token[0] in ("]", "}"):
            if depth == _READ_ANYWAY + 1:
                end = token.end()
                kept.append("null")
            depth -= 1
    if depth > _READ_ANYWAY:
        raise ValueError("JSON that breaks off")
    return "".join([*kept, text[end:]])


def encode(document: Any) -> bytes:
    """A document as JSON. What is not JSON, such as NaN, becomes null."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(document, sort_keys=True).encode()


def content_hash(document: Any) -> bytes:
    """xxh3-128 of a document without its volatile fields; 16 bytes. Raises TooDeepError."""
    taken: list[tuple[dict[str, Any], dict[str, Any]]] = []
    try:
        # Taken out and put back: that costs half of making a copy without them.
        _take_volatile(document, taken, MOST_NESTED)
        return xxhash.xxh3_128_digest(encode(document))
    finally:
        for holder, fields in taken:
            holder.update(fields)


def stand_in(document: Any, reason: str) -> dict[str, Any]:
    """What is kept in the place of a document that cannot be: its top-level values but lists and objects, and why."""
    fields = document.items() if isinstance(document, dict) else ()
    return {**{name: value for name, value in fields if not isinstance(value, dict | list)}, NOT_KEPT: reason}


def compress(text: bytes) -> bytes:
    """A document's text as the landing keeps it."""
    # A compressor of its own each time: shared ones are not safe between threads, and this costs 8 µs.
    return zstandard.compress(text, LEVEL)


def decompress(payload: bytes) -> bytes:
    """The text of a kept document: JSON, or a feed as it came."""
    return zstandard.decompress(payload)


def _take_volatile(value: Any, taken: list[tuple[dict[str, Any], dict[str, Any]]], levels: int) -> None:
    if type(value) is dict:
        if not value.keys().isdisjoint(VOLATILE):
            taken.append((value, {name: value.pop(name) for name in VOLATILE & value.keys()}))
        inner = value.values()
    else:
        inner = value if type(value) is list else ()
    for item in inner:
        if type(item) is dict or type(item) is list:
            if levels == 1:
                raise TooDeepError
            _take_volatile(item, taken, levels - 1)
