"""What a document's hash sees and does not see, and that what is kept is what came."""

import gc
import json
import threading
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_pipeline.sources.documents import (
    MOST_NESTED,
    NOT_KEPT,
    SELDOM,
    VOLATILE,
    TooDeepError,
    compress,
    content_hash,
    decode,
    decompress,
    encode,
    seldom_collected,
    stand_in,
)

TEXTS = st.text(st.characters(), max_size=5)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
STEADY_NAMES = TEXTS.filter(lambda name: name not in VOLATILE)


def documents(names: st.SearchStrategy[str], leaves: st.SearchStrategy[Any] = SCALARS) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=20
    )


STEADY = documents(STEADY_NAMES)
MIXED = documents(st.sampled_from(sorted(VOLATILE)) | STEADY_NAMES)


def without_volatile(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: without_volatile(value) for name, value in document.items() if name not in VOLATILE}
    return [without_volatile(item) for item in document] if isinstance(document, list) else document


def reordered(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: reordered(document[name]) for name in reversed(document)}
    return [reordered(item) for item in document] if isinstance(document, list) else document


def written(document: Any) -> str:
    """The document, exactly: 1, 1.0 and true differ, as they do in JSON."""
    return json.dumps(document, sort_keys=True)


@settings(max_examples=50)
@given(MIXED)
def test_volatile_fields_do_not_count_at_any_depth(document: Any) -> None:
    assert content_hash(document) == content_hash(without_volatile(document))


@settings(max_examples=50)
@given(MIXED)
def test_the_order_of_keys_does_not_count(document: Any) -> None:
    assert content_hash(document) == content_hash(reordered(document))


@settings(max_examples=50)
@given(STEADY, STEADY)
def test_everything_else_counts(one: Any, other: Any) -> None:
    assert (content_hash(one) == content_hash(other)) == (written(one) == written(other))


@settings(max_examples=50)
@given(STEADY.filter(lambda document: isinstance(document, dict)), STEADY_NAMES, SCALARS)
def test_a_field_more_counts(document: dict[str, Any], name: str, value: Any) -> None:
    changed = {**document, name: value}
    assert (content_hash(changed) == content_hash(document)) == (written(changed) == written(document))


def test_the_order_of_a_list_counts() -> None:
    assert content_hash([1, 2]) != content_hash([2, 1])


def test_a_volatile_name_counts_where_it_is_a_value() -> None:
    assert content_hash(["modified"]) != content_hash([])


def test_hashes_are_kept_in_databases_and_so_never_change() -> None:
    document = {"key": "edX+DemoX", "modified": "now", "runs": [{"price": 1.5, "availability": "Current"}]}
    assert content_hash(document).hex() == "dd845f00df368f8a4d9297dc04df7821"


@pytest.mark.parametrize("name", sorted(VOLATILE))
def test_each_volatile_field_is_one(name: str) -> None:
    assert content_hash({"a": [{name: 1}]}) == content_hash({"a": [{name: 2}]}) == content_hash({"a": [{}]})


@settings(max_examples=50)
@given(documents(st.text(max_size=5)))
def test_what_is_kept_is_what_came(document: Any) -> None:
    assert written(decode(decompress(compress(encode(document))))) == written(document)


@settings(max_examples=50)
@given(documents(TEXTS, SCALARS | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2)))
def test_a_page_with_half_a_surrogate_pair_is_read_kept_and_hashed(document: Any) -> None:
    page = decode(json.dumps(document).encode())
    assert written(page) == written(document)
    assert written(decode(decompress(compress(encode(page))))) == written(document)
    assert len(content_hash(page)) == 16


@settings(max_examples=50)
@given(st.integers(-(10**300), 10**300))
def test_whole_numbers_of_any_size_are_read_kept_and_hashed(number: int) -> None:
    page = decode(b'{"n": %d}' % number)
    assert page["n"] == pytest.approx(number)
    assert written(decode(decompress(compress(encode(page))))) == written(page)
    assert len(content_hash({"n": number})) == 16


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff", b"[1,]", b'{"a": 1} x', b"9" * 5000])
def test_what_is_not_json_raises_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|digits|decode|Expecting|Illegal|Extra"):
        decode(body)


def test_what_json_cannot_say_is_kept_as_null() -> None:
    assert decode(encode(decode(b"[NaN, Infinity, 1]"))) == [None, None, 1]


def test_keeping_is_compact_and_safe_from_several_threads() -> None:
    pages = [{"key": f"K{n}", "text": "The same sentence, again and again. " * 500} for n in range(8)]
    failed = []

    def keep(page: dict[str, str]) -> None:
        for _ in range(200):
            payload = compress(encode(page))
            if decompress(payload) != orjson.dumps(page) or len(payload) > 500:
                failed.append(page["key"])

    threads = [threading.Thread(target=keep, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@settings(max_examples=50)
@given(MIXED)
def test_hashing_leaves_a_document_as_it_was(document: Any) -> None:
    before = written(document)
    content_hash(document)
    assert written(document) == before


def test_collecting_seldom_ends_with_what_asked_for_it_however_it_is_nested() -> None:
    usual = gc.get_threshold()
    with seldom_collected():
        with seldom_collected():
            assert gc.get_threshold() == (SELDOM, *usual[1:])
        assert gc.get_threshold() == (SELDOM, *usual[1:])
    assert gc.get_threshold() == usual


def nested(levels: int, value: str = "") -> str:
    return "[" * levels + value + "]" * levels


@pytest.mark.parametrize("levels", [1, MOST_NESTED - 1])
def test_a_document_may_be_nested_to_a_limit_and_is_then_kept_whole(levels: int) -> None:
    document = decode(f'{{"key": "A", "deep": {nested(levels)}}}'.encode())
    assert len(content_hash(document)) == 16
    assert written(decode(decompress(compress(encode(document))))) == written(document)


@pytest.mark.parametrize("levels", [MOST_NESTED, 255, 1_000, 1_023, 1_100, 50_000])
@pytest.mark.parametrize("text", ["", '"[]]{\\\\\\"["', r'"\ud800"'], ids=["plain", "brackets in text", "half a pair"])
def test_a_document_nested_deeper_is_refused_and_its_page_is_read_all_the_same(levels: int, text: str) -> None:
    page = f'{{"results": [{{"key": "A", "modified": 1, "deep": {nested(levels, text)}}}, {{"key": "B"}}], "count": 2}}'
    read = decode(page.encode())
    deep, other = read["results"]
    assert (read["count"], other, deep["key"], list(deep)) == (2, {"key": "B"}, "A", ["key", "modified", "deep"])
    with pytest.raises(TooDeepError, match="The document is nested more than 200 levels deep"):
        content_hash(deep)
    assert deep["modified"] == 1
    assert stand_in(deep, "too deep") == {"key": "A", "modified": 1, NOT_KEPT: "too deep"}


@pytest.mark.parametrize(
    "body",
    [
        "[" * 2_000,
        '{"a":' * 2_000,
        nested(2_000) + "x",
        "[" * 2_000 + '"' + "a" * 10,
        "[" * 2_000 + '"\\' * 50_000,
        "[" * 2_000 + '"' * 50_001,
        "[1]" + "[" * 2_000,
        "]" * 2_000 + "[" * 2_000,
    ],
)
def test_what_is_nested_deep_and_no_json_raises_a_value_error(body: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Extra|Expecting|Unterminated"):
        decode(body.encode())


@settings(max_examples=50)
@given(MIXED, st.integers(400, 1200))
def test_what_stands_beside_what_is_nested_too_deep_is_read_as_it_is(document: Any, levels: int) -> None:
    page = f"[{json.dumps(document)}, {nested(levels)}, {json.dumps(document)}]"
    first, _, last = decode(page.encode())
    assert written(first) == written(last) == written(document)
