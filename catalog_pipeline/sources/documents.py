"""Reading pages of JSON, and telling whether a document's content changed."""

import gc
import json
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


def decode(body: bytes) -> Any:
    """Parse JSON. Raises ValueError. orjson refuses a page with half a surrogate pair; json reads it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def encode(document: Any) -> bytes:
    """A document as JSON. What is not JSON, such as NaN, becomes null."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(document, sort_keys=True).encode()


def content_hash(document: Any) -> bytes:
    """xxh3-128 of a document without its volatile fields; 16 bytes."""
    taken: list[tuple[dict[str, Any], dict[str, Any]]] = []
    try:
        # Taken out and put back: that costs half of making a copy without them.
        _take_volatile(document, taken)
        return xxhash.xxh3_128_digest(encode(document))
    finally:
        for holder, fields in taken:
            holder.update(fields)


def compress(text: bytes) -> bytes:
    """A document's text as the landing keeps it."""
    # A compressor of its own each time: shared ones are not safe between threads, and this costs 8 µs.
    return zstandard.compress(text, LEVEL)


def decompress(payload: bytes) -> bytes:
    """The text of a kept document: JSON, or a feed as it came."""
    return zstandard.decompress(payload)


def _take_volatile(value: Any, taken: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    if type(value) is dict:
        if not value.keys().isdisjoint(VOLATILE):
            taken.append((value, {name: value.pop(name) for name in VOLATILE & value.keys()}))
        inner = value.values()
    else:
        inner = value if type(value) is list else ()
    for item in inner:
        if type(item) is dict or type(item) is list:
            _take_volatile(item, taken)
