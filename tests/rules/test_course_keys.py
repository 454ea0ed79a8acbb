"""Course keys: parsed and folded as the platform does, over every legal character."""

import re
import sys
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_pipeline.rules.course_keys import LONGEST, TEXT, course_key_form, fold, parse_keys

COLUMNS = ["kind", "valid", "org", "course", "run", "course_key", "stored", "reason"]
HEX = "519665f6223ebd6980884f2b"
DEMO = "course-v1:edX+DemoX+2014"

USABLE = [
    # Each: the key, its kind, its three parts, and how it is stored.
    (DEMO, "run", "edX", "DemoX", "2014", DEMO),
    *[
        (key, "run", *key.removeprefix("course-v1:").split("+"), key)
        for key in [
            "course-v1:edX+DemoX+Demo_Course",
            "course-v1:MITx+6.002.1x+1T2024",
            "course-v1:Org.Sub+CS-101.x+2T2025a",
            "course-v1:Ünï+Cöurse+Run",
            "course-v1:edX+Demo~X+1T",
            "course-v1:ed:X+De+Mo",
            "course-v1:ed:X+b+c",
            "course-v1:é+日本+٣",
            "course-v1:edX+Demo.X-~:_1+1",
            "course-v1:course-v1:a+b+c",
        ]
    ],
    ("slashes:edX+DemoX+2014", "run", "edX", "DemoX", "2014", DEMO),
    *[
        (DEMO + tail, "run", "edX", "DemoX", "2014", DEMO)
        for tail in [
            "+branch@draft",
            "+branch@draft-branch",
            f"+version@{HEX}",
            f"+branch@draft-branch+version@{HEX}",
            "+type@x",
            "+type@course+block@course",
            f"+branch@draft+version@{HEX}+type@course+block@course",
        ]
    ],
    ("edX/DemoX/2014", "legacy", "edX", "DemoX", "2014", "edX/DemoX/2014"),
    ("edX/DemoX/Demo_2014", "legacy", "edX", "DemoX", "Demo_2014", "edX/DemoX/Demo_2014"),
    ("edX/Demo%20X/1", "legacy", "edX", "Demo%20X", "1", "edX/Demo%20X/1"),
    ("é/日本/٣", "legacy", "é", "日本", "٣", "é/日本/٣"),
    *[
        (key, "ccx", "edX", "DemoX", run, key)
        for key, run in [
            ("ccx-v1:edX+DemoX+2014+ccx@1", "2014"),
            ("ccx-v1:edX+DemoX+2014+ccx@01", "2014"),
            ("ccx-v1:edX+DemoX+Demo+ccx@17", "Demo"),
        ]
    ],
    (
        "ccx-v1:edX+DemoX+2014+branch@draft+ccx@1",
        "ccx",
        "edX",
        "DemoX",
        "2014",
        "ccx-v1:edX+DemoX+2014+ccx@1",
    ),
]

REFUSED = [
    # (key, kind, words in the reason)
    (None, "none", "no key"),
    (np.nan, "none", "no key"),
    ("", "none", "no key"),
    *[
        (key, "none", "whitespace")
        for key in [
            *[DEMO + space for space in (" ", "\n", "\r\n", "\v", "\u0085", "\u00a0", "\u2028")],
            *[space + DEMO for space in (" ", "\n", "\t")],
            *[" ", "edX/DemoX/2014\n", "edX+DemoX\n"],
        ]
    ],
    *[(key, "none", "NUL") for key in [DEMO + "\0", "course-v1:e\0X+DemoX+2014", "\ufeff" + DEMO]],
    ("library-v1:edX+lib1", "library", "library"),
    ("library-v1:edX+Lib", "library", "library"),
    ("library-v1:edX+lib+x", "library", "library"),
    ("lib:edX:lib1", "library", "library"),
    ("block-v1:edX+DemoX+2014+type@course+block@course", "none", "inside a course"),
    ("asset-v1:edX+DemoX+2014+type@asset+block@a.png", "none", "inside a course"),
    ("i4x://edX/DemoX/course/2014", "none", "inside a course"),
    (f"course-v1:version@{HEX}", "none", "version only"),
    ("course-v1:edX+Demo%20X+1", "none", "%"),
    ("course-v1:edX+Demo%2BX+1", "none", "%"),
    ("course-v1%3AedX%2BDemoX%2B2014", "none", "%"),
    ("course-v1:edX DemoX 2014", "none", "space"),
    ("course-v1:edX+Demo X+2014", "none", "space"),
    ("edX/Demo X/x", "none", "space"),
    ("ccx-v1:edX+DemoX+2014", "none", "CCX"),
    ("ccx-v1:edX+DemoX+2014+ccx@abc", "none", "CCX"),
    *[
        ("course-v1:" + rest, "none", "three parts")
        for rest in [
            *["edX+DemoX", "a+b+c+d", "a+b+c+", "a+b+", "a++c", "+b+c", "", "a+b+c+ccx@1"],
            *["a+b+c+version@12", f"a+b+c+version@{HEX}+branch@x", "a+b+c+branch@", "a\u0301+b+c"],
            *[f"a{illegal}+b+c" for illegal in "#&(),@/"],
        ]
    ],
    ("slashes:edX+DemoX", "none", "three parts"),
    ("Course-V1:a+b+c", "none", "small letters"),
    ("COURSE-V1:edX+DemoX+1", "none", "small letters"),
    ("edX+DemoX+2014", "none", "course-v1: is missing"),
    ("edX/DemoX/", "none", "no run after its last slash"),
    *[
        (key, "none", "The old form needs")
        for key in [
            *["edX/DemoX", "edX/DemoX/a/b", "/DemoX/x", "edX//x", "edX/a~b/c", "edX/a:b/c"],
            "edX/Demo+X/Run",
        ]
    ],
    ("MATH205-Fall20", "none", "no form"),
    ("edX+DemoX+branch@draft", "none", "no form"),
    ("course-v1:edX+DemoX+" + "x" * LONGEST, "none", "longer than 255"),
    ("edX+" + "x" * LONGEST, "none", "longer than 255"),
    ("edX/DemoX/" + "x" * LONGEST, "none", "longer than 255"),
    ("library-v1:edX+" + "x" * LONGEST, "library", "library"),
]


def row_of(key: object) -> dict:
    [row] = parse_keys(pd.Series([key], dtype=object)).to_dict("records")
    return {column: None if pd.isna(value) else value for column, value in row.items()}


@pytest.mark.parametrize(("key", "kind", "org", "course", "run", "stored"), USABLE, ids=[r[0] for r in USABLE])
def test_a_usable_key_is_taken_apart_and_stored_in_its_canonical_form(key, kind, org, course, run, stored):
    expected = [kind, True, org, course, run, f"{org}+{course}", stored, None]
    assert row_of(key) == dict(zip(COLUMNS, expected, strict=True))


@pytest.mark.parametrize(("key", "kind", "words"), REFUSED, ids=[repr(r[0])[:60] for r in REFUSED])
def test_a_refused_key_has_no_parts_and_a_reason_with_an_example(key, kind, words):
    row = row_of(key)
    reason = row.pop("reason")
    assert row == dict(zip(COLUMNS, [kind, False, None, None, None, None, None], strict=False))
    assert words in reason
    assert reason.endswith(f"; a run's key looks like {DEMO}.")


@pytest.mark.parametrize(("key", "org", "course"), [("edX+DemoX", "edX", "DemoX"), ("Or:g+x.1", "Or:g", "x.1")])
def test_a_catalog_courses_key_has_its_parts_but_is_not_a_runs_key(key, org, course):
    row = row_of(key)
    assert "key of a course, not of a run" in row.pop("reason")
    assert row == dict(zip(COLUMNS, ["course", False, org, course, None, key, None], strict=False))


def test_the_length_that_counts_is_that_of_the_stored_key():
    longest = "course-v1:é+b+" + "x" * (LONGEST - 14)
    assert len(longest) == LONGEST
    assert row_of(longest)["valid"]
    assert row_of(longest + "+branch@draft")["stored"] == longest
    assert not row_of(longest + "x")["valid"]
    assert len(short := longest.replace("course-v1:", "slashes:") + "x") < LONGEST
    assert not row_of(short)["valid"]


@pytest.mark.parametrize(
    "index", [pd.Index([7, 3, 3], name="n"), pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])]
)
def test_the_index_is_the_one_that_came(index):
    keys = pd.Series([DEMO, None, "edX+DemoX"], index=index)
    pd.testing.assert_index_equal(parse_keys(keys).index, index)
    pd.testing.assert_index_equal(fold(keys).index, index)


@pytest.mark.parametrize(
    "keys",
    [
        pd.Series([], dtype=object),
        pd.Series([], dtype="str"),
        pd.Series([None, None]),
        pd.Series([np.nan]),
        pd.Series([DEMO, pd.NA], dtype="string"),
        pd.Series([DEMO], dtype=pd.StringDtype("python", na_value=np.nan)),
        pd.concat([pd.Series([DEMO]), pd.Series(["edX+DemoX", None])]),
    ],
    ids=["no objects", "no text", "nulls", "a NaN", "nullable text", "Python text", "text in two chunks"],
)
def test_whatever_holds_the_keys_the_columns_are_arrow_text_and_one_truth_value(keys):
    parsed = parse_keys(keys)
    assert list(parsed.columns) == COLUMNS
    assert len(parsed) == len(keys)
    assert parsed.valid.dtype == bool
    for column in [*(parsed[name] for name in COLUMNS if name != "valid"), fold(keys)]:
        assert column.dtype == "str"
        assert column.dtype.storage == "pyarrow"
    assert parsed.valid.tolist() == (parsed["kind"] == "run").tolist()
    assert parsed.reason.isna().tolist() == parsed.valid.tolist()


def test_text_in_many_chunks_is_read_like_text_in_one():
    keys = [row[0] for row in USABLE + REFUSED]
    many = pd.concat([pd.Series([key], dtype=TEXT) for key in keys], ignore_index=True)
    pd.testing.assert_frame_equal(parse_keys(many), parse_keys(pd.Series(keys, dtype=TEXT)))


def test_what_is_stored_is_stored_the_same_when_it_is_read_again():
    first = parse_keys(pd.Series([row[0] for row in USABLE]))
    pd.testing.assert_frame_equal(parse_keys(first.stored), first)


def test_keys_fold_as_arrow_lowers_them_and_not_as_python_does():
    folded = fold(pd.Series(["EDX+ÉÄ", "ΑΣ", "İ", "ß", None], index=list("abcde")))
    assert folded.iloc[:4].tolist() == ["edx+éä", "ας".replace("ς", "σ"), "i", "ß"]
    assert pd.isna(folded["e"])


def test_every_character_is_legal_here_exactly_when_python_calls_it_a_word_character():
    characters = pd.Series([chr(i) for i in range(sys.maxunicode + 1) if not 0xD800 <= i <= 0xDFFF], dtype=TEXT)
    known_to_arrow = pc.match_substring_regex(pa.array(characters), r"[\pL\pM\pN\pP\pS\pZ\pC]")
    # Two versions of Unicode may meet here: nothing is asked of what one of them does not know yet.
    known = np.asarray(known_to_arrow) & np.array([unicodedata.category(c) != "Cn" for c in characters])
    characters = characters[known]
    assert len(characters) > 280_000
    for form, part in [("course-v1:a+b{}+c", r"[\w~.:-]"), ("a/b{}/c", r"[\w%.-]")]:
        before, after = form.split("{}")
        valid = parse_keys(before + characters + after).valid
        legal = np.array([re.fullmatch(part, c) is not None for c in characters])
        assert characters[valid != legal].tolist() == []


def read_by_hand(key: str) -> tuple:
    """(kind, org, course, run, stored) of one key, read with Python's `re`, one form after the other."""
    part, old = r"([\w~.:-]+)", r"([\w%.-]+)"
    revision = rf"(?:\+branch@{part})?(?:\+version@[0-9a-fA-F]{{24}})?"
    block = rf"(?:\+type@{part})?(?:\+block@{part})?"
    reserved = r"(?i:(?:course|ccx|library|block|asset)-v1|slashes):|(?:lib|i4x|c4x):"
    read = ("none", None, None, None, None)
    if m := re.fullmatch(rf"(?:course-v1|slashes):{part}\+{part}\+{part}{revision}{block}", key):
        read = ("run", m[1], m[2], m[3], f"course-v1:{m[1]}+{m[2]}+{m[3]}")
    elif m := re.fullmatch(rf"ccx-v1:{part}\+{part}\+{part}{revision}\+ccx@(?P<ccx>[0-9]+){block}", key):
        read = ("ccx", m[1], m[2], m[3], f"ccx-v1:{m[1]}+{m[2]}+{m[3]}+ccx@{m['ccx']}")
    elif m := re.fullmatch(f"{old}/{old}/{old}", key):
        read = ("legacy", m[1], m[2], m[3], key)
    elif key != key.strip() or any(unicodedata.category(character)[0] == "C" for character in key):
        pass
    elif re.match("library-v1:|lib:", key):
        read = ("library", None, None, None, None)
    elif (m := re.fullmatch(rf"{part}\+{part}", key)) and not re.match(reserved, key):
        read = ("course", m[1], m[2], None, None)
    too_long = read[1] is not None and len(read[-1] or key) > LONGEST
    return ("none", None, None, None, None) if too_long else read


def mostly(usual: list[str], odd: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(usual * 20 + odd)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=20)
PARTS = mostly(["edX", "Demo.X-_1", "é日本٣"], ["~:", "", "a%20b", "a b", "e\u0301", "a@1", "x" * 240, "x" * 241])
TAILS = [f"+version@{HEX}", "+branch@draft", "+ccx@1", "+type@course", "+block@course"]
SIZES = st.sampled_from([2, 3, 3, 3, 4])
KEYS = st.builds(
    "{}{}{}{}".format,
    mostly(["course-v1:", "ccx-v1:", ""], ["slashes:", "library-v1:", "lib:", "Course-V1:", "block-v1:"]),
    st.builds(str.join, st.sampled_from("++/"), SIZES.flatmap(lambda n: st.lists(PARTS, min_size=n, max_size=n))),
    st.sampled_from(["", "+ccx@1"]) | st.lists(st.sampled_from(TAILS), max_size=3).map("".join),
    mostly([""], ["\n", " ", "+", "/", "+version@12", "+ccx@x", "+ccx@٣"]),
)


@settings(max_examples=50)
@given(st.lists(KEYS, min_size=20, max_size=60), st.lists(ANY_TEXT))
def test_many_keys_at_once_are_read_as_each_would_be_by_hand(keys, texts):
    keys += texts
    parsed = parse_keys(pd.Series(keys))
    columns = ["kind", "org", "course", "run", "stored"]
    read = pd.DataFrame([read_by_hand(key) for key in keys], columns=columns, dtype=TEXT)
    pd.testing.assert_frame_equal(parsed[columns], read)
    assert parsed.valid.tolist() == read.stored.notna().tolist()
    pd.testing.assert_series_equal(parsed.course_key, read.org + "+" + read.course, check_names=False)
    assert parsed.reason.isna().tolist() == parsed.valid.tolist()


def test_a_course_key_is_kept_with_a_plus_and_without_blanks() -> None:
    forms = {
        "edX/SlashX": "edX+SlashX",
        "edX+DemoX": "edX+DemoX",
        " edX/SlashX\n": "edX+SlashX",
        "edX/DemoX/2014": "edX/DemoX/2014",
        "edX/Demo+X": "edX/Demo+X",
        "edX/": "edX/",
        " ": None,
        None: None,
    }
    kept = course_key_form(pd.Series(list(forms), dtype=TEXT))
    assert [None if pd.isna(key) else key for key in kept] == list(forms.values())
