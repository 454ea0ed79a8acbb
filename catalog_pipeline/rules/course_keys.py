"""Reads keys of courses and runs: their form, their parts, how they are stored, and why one is not valid.

A run's key suggests a course but does not decide it: a run may belong to another course than its key names.
"""

# pyarrow makes its compute functions at import, where pyright does not see them.
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
"""The dtype of all text in frames: pandas' `str`, always stored by Arrow."""

_LARGE = pa.large_string()  # the Arrow type in which pandas stores its text

LONGEST = 255
"""Characters that fit the key columns of the platform, of discovery and of this catalog."""

# These patterns are RE2's, not Python's. Its \w is ASCII only, so letters and digits are named by their Unicode class.
# Its `$` matches at the very end, never before a last newline. pyarrow decides which characters are letters
# (Unicode 15 in pyarrow 26), so the answer is the same under every version of Python.
_PART = r"[\pL\pN_~.:-]+"
_THREE = rf"{_PART}\+{_PART}\+{_PART}"
_REVISION = rf"(?:\+branch@{_PART})?(?:\+version@[0-9a-fA-F]{{24}})?"
_BLOCK = rf"(?:\+type@{_PART})?(?:\+block@{_PART})?"
_OLD_PART = r"[\pL\pN_%.-]+"
_STRIPPED = r"\+(?:branch|version|type|block)@[^+]*"
# Splits keys whose form is known, and which have a colon before their parts. As the form is known, the pattern can be
# loose, and is much faster: with the prefix spelled out RE2 needs several passes, and three times as long.
_PARTS = r"^[^:]*:(?P<org>[^+/]+)[+/](?P<course>[^+/]+)(?:[+/](?P<run>[^+/]+))?"

_FORMS: list[tuple[str, str, str | None]] = [
    # (kind, pattern, why it is not a run's key); the first pattern that is found decides.
    ("run", rf"^(?:course-v1|slashes):{_THREE}{_REVISION}{_BLOCK}$", None),
    ("legacy", rf"^{_OLD_PART}/{_OLD_PART}/{_OLD_PART}$", None),
    ("ccx", rf"^ccx-v1:{_THREE}{_REVISION}\+ccx@[0-9]+{_BLOCK}$", None),
    ("none", r"^$", "There is no key"),
    ("none", r"^[\s\v\x{85}\pZ]|[\s\v\x{85}\pZ]$", "The key begins or ends with whitespace"),
    ("none", r"\pC", "The key has a NUL or another control or invisible character"),
    ("library", r"^(?:library-v1|lib):", "This is the key of a library, not of a course"),
    ("none", r"^(?:block-v1|asset-v1|i4x|c4x):", "This is the key of something inside a course"),
    ("none", r"^course-v1:version@", "The key names a version only, no course"),
    ("none", r"^[^/]*%", "The key has a %, as in a URL, and must be decoded first"),
    ("none", r"\pZ", "The key has a space, perhaps a + that was decoded once too often"),
    ("none", r"^ccx-v1:", "A CCX's key ends in its number, as ccx-v1:edX+DemoX+2014+ccx@1 does"),
    (
        "none",
        r"^(?:course-v1|slashes):",
        "The key needs exactly three parts (organization, course, run) of letters, digits and - ~ . : or _",
    ),
    ("none", r"(?i)^(?:course|ccx|library|block|asset)-v1:|^slashes:", "The prefix must be in small letters"),
    ("course", rf"^{_PART}\+{_PART}$", "This is the key of a course, not of a run"),
    ("none", rf"^{_THREE}$", "The prefix course-v1: is missing"),
    ("none", rf"^{_OLD_PART}/{_OLD_PART}/$", "The key names no run after its last slash"),
    (
        "none",
        r"/",
        "The old form needs exactly three parts (organization/course/run) of letters, digits and - . % or _",
    ),
    ("none", r"", "This has no form that a key can have"),
    # This is last so that no key is found by its pattern: it is the stored key that must not be too long.
    ("none", r"", f"The key is longer than {LONGEST} characters"),
]
_KINDS = pa.array([kind for kind, _, _ in _FORMS], _LARGE)
_VALID = np.isin(_KINDS, ["run", "legacy", "ccx"])
_NAMED = np.isin(_KINDS, ["run", "legacy", "ccx", "course"])
_COLON = pa.array([":" if kind in ("legacy", "course") else "" for kind, _, _ in _FORMS], _LARGE)
_REASONS = pa.array(
    [why and f"{why}; a run's key looks like course-v1:edX+DemoX+2014." for _, _, why in _FORMS], _LARGE
)


def fold(keys: pd.Series) -> pd.Series:
    """Keys in the form in which they are compared: two are the same key if they are equal when folded.

    A folded key is never stored in the catalog. This is Arrow's `utf8_lower`, which agrees with Postgres's
    `lower(… COLLATE pg_c_utf8)` on every character that is legal in a key; Python's own `lower` and `casefold` do
    not. Same index; nulls stay null.
    """
    return keys.astype(TEXT).str.lower()


def course_key_form(keys: pd.Series) -> pd.Series:
    """Keys of courses in the form in which they are kept, `edX+DemoX`: so is what came as `edX/DemoX` or with blanks.

    What is no course's key keeps its slashes, and blank text becomes null. Same index.
    """
    trimmed = keys.astype(TEXT).str.strip()
    old_form = trimmed.str.fullmatch(r"[^+/]+/[^+/]+", na=False)
    return trimmed.mask(old_form, trimmed.str.replace("/", "+", regex=False)).mask(trimmed.eq(""))


def parse_keys(keys: pd.Series) -> pd.DataFrame:
    """Say what each key is. The result has the index of `keys`; all its columns are text, but for `valid`.

    - `kind`: `run` (`course-v1:edX+DemoX+2014`), `legacy` (`edX/DemoX/2014`), `ccx` (a custom course made from
      a run: `ccx-v1:edX+DemoX+2014+ccx@1`), `course` (a catalog course: `edX+DemoX`), `library`, or `none`.
    - `valid`: whether it is a usable run's key: a run, legacy or ccx.
    - `org`, `course`, `run`: its parts; a `course` has no run, a `library` and a `none` have no parts.
    - `course_key`: the course that the key suggests (`edX+DemoX`); of a ccx, the one of the run it is made from.
    - `stored`: the run's key as it is kept, null when not valid: without branch, version, type and block;
      `slashes:` becomes `course-v1:`; a legacy key keeps its slashes. No more than 255 characters.
    - `reason`: a sentence on why it is not a run's key, null when valid.

    A legacy key without a run (`edX/DemoX/`), which the platform would parse, is refused: a run has a name.
    Text with a lone surrogate, which Arrow cannot hold, raises `UnicodeEncodeError`.
    """
    text = pc.fill_null(pa.array(keys.astype(TEXT)), "")
    form = _form_of(text)
    parts = pc.extract_regex(_joined(_COLON.take(form), text), _PARTS)
    org, course, run = (pc.struct_field(parts, name) for name in ("org", "course", "run"))
    course_key = _joined(org, "+", course)
    # A run's key is built from its parts, which is faster than stripping; only the other keys are stripped.
    is_run = form == 0
    others = pc.replace_substring_regex(pc.if_else(is_run, "", text), _STRIPPED, "")
    stored = pc.if_else(is_run, _joined("course-v1:", course_key, "+", run), others)
    form[_NAMED[form] & (np.asarray(pc.utf8_length(stored)) > LONGEST)] = len(_FORMS) - 1

    valid, named = _VALID[form], _NAMED[form]
    columns = {
        "kind": _KINDS.take(form),
        "valid": valid,
        "org": pc.if_else(named, org, None),
        "course": pc.if_else(named, course, None),
        "run": pc.if_else(valid, run, None),
        "course_key": pc.if_else(named, course_key, None),
        "stored": pc.if_else(valid, stored, None),
        "reason": _REASONS.take(form),
    }
    frame = pa.table(columns).to_pandas(types_mapper={_LARGE: TEXT}.get)
    return frame.set_axis(keys.index)


def _form_of(text: pa.Array) -> np.ndarray:
    """The place in _FORMS of each key's form: the first whose pattern is found in the key."""
    form = np.full(len(text), -1)
    for number, (_, pattern, _) in enumerate(_FORMS):
        undecided = np.flatnonzero(form == -1)
        found = np.asarray(pc.match_substring_regex(text.take(undecided), pattern))
        form[undecided[found]] = number
    return form


def _joined(*texts: pa.Array | str) -> pa.Array:
    """The texts, columns or constants, one after the other in each row."""
    return pc.binary_join_element_wise(
        *(pa.scalar(t, _LARGE) if isinstance(t, str) else t for t in texts), pa.scalar("", _LARGE)
    )
