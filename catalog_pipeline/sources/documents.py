"""Reading pages of JSON, and telling whether a document's content changed."""

import json
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

LEVEL = 3


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
    return xxhash.xxh3_128_digest(encode(_stable(document)))


def compress(document: Any) -> bytes:
    """A document as the landing keeps it."""
    # A compressor of its own each time: shared ones are not safe between threads, and this costs 8 µs.
    return zstandard.compress(encode(document), LEVEL)


def decompress(payload: bytes) -> bytes:
    """The JSON text of a kept document."""
    return zstandard.decompress(payload)


def _stable(value: Any) -> Any:
    if type(value) is dict:
        return {
            key: _stable(item) if type(item) in (dict, list) else item
            for key, item in value.items()
            if key not in VOLATILE
        }
    if type(value) is list:
        return [_stable(item) if type(item) in (dict, list) else item for item in value]
    return value
