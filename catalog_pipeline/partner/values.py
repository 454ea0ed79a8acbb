"""What a cell of a partner feed may hold, by kind. A good value gets a normal form, a bad one a sentence that says why.

Every function takes the distinct values of a column, as Arrow text without nulls, and judges each of them once.
"""

# pyarrow makes its compute functions at import, where pyright does not see them.
# pyright: reportAttributeAccessIssue=false

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_pipeline.models.run import RESTRICTION_TYPES
from catalog_pipeline.partner.columns import PUBLISH_NOW, Reference
from catalog_pipeline.partner.configuration import PartnerRules
from catalog_pipeline.rules.run_values import CLEARS

LARGE_TEXT = pa.large_string()
YEARS = (1900, 2199)
"""The years that a feed may name. Others are typing errors, such as 0026 or 20226."""

URL = r"(?i)^https?://[^\s\pZ/?#@]+([/?#][^\s\pZ]*)?$"
UUID = r"^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$"
AMOUNT = r"^\$? ?([0-9]{1,10}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.[0-9]{1,2})?$"
ROUNDED = r"^[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,}$"
INTEGER = r"^[0-9]{1,6}$"
TIME = re.compile(
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r"(?: ?(?P<half>[AaPp][Mm]))?(?: ?(?P<zone>Z|z|UTC|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9]))?"
)
FLAGS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
PACINGS = {"instructor-paced": "instructor_paced", "self-paced": "self_paced"}
HANDLER = r"(?i)<[^>]*\s(?:on[a-z]+|srcdoc|formaction)\s*=|(?:java|vb)script:|data:text"
MOST_NAMED = 12


@dataclass(frozen=True)
class Judged:
    """The normal forms of distinct values (null where a value is refused), and the sentences on those refused.

    `doubts` are sentences on values that are taken though nobody knows them.
    """

    values: pa.Array
    problems: Mapping[int, str] = field(default_factory=dict)
    doubts: Mapping[int, str] = field(default_factory=dict)


Judge = Callable[[pa.Array], Judged]


def judges(rules: PartnerRules, product_type: str, reference: Reference) -> dict[str, Judge]:
    """The function that judges each kind of value. Kinds without one are judged with the course's key."""
    subjects, levels = (
        None if known is None else [*known.dropna()] for known in (reference.subjects, reference.levels)
    )
    return {
        "html": html(rules.html_tags),
        **dict.fromkeys(("url", "image", "logo"), urls),
        "product_number": product_numbers,
        "uuid": uuids,
        "integer": integers,
        **dict.fromkeys(("price", "money"), amounts),
        "flag": flags,
        "date": dates(rules.date_formats),
        "publish_date": publish_dates(rules.date_formats),
        "time": times,
        "names": names,
        "course_track": one_of([rules.course_types[product_type].track]),
        "run_track": one_of(rules.run_tracks),
        "level": one_of([*rules.levels, *(levels or [])], certain=levels is not None),
        "subject": one_of([*rules.subjects, *(subjects or [])], certain=subjects is not None),
        "language": languages(rules.languages, first_only=True),
        "languages": languages(rules.languages, first_only=False),
        "pacing": pacings,
        "restriction": one_of([*RESTRICTION_TYPES, CLEARS]),
        "marketing_type": one_of(rules.marketing_types),
        "program_type": one_of(rules.program_types),
    }


def urls(values: pa.Array) -> Judged:
    """Complete http or https addresses."""
    return _matching(values, URL, "a whole address, such as https://partner.example.org/page")


def uuids(values: pa.Array) -> Judged:
    """UUIDs in any spelling; the normal form has small letters and hyphens."""
    low = pc.utf8_lower(values)
    judged = _matching(low, UUID, "a UUID, such as 7e57d004-2b97-4e7a-b45f-5387367791cd")
    return Judged(pc.replace_substring_regex(judged.values, UUID, r"\1-\2-\3-\4-\5"), judged.problems)


def product_numbers(values: pa.Array) -> Judged:
    """Any text but a rounded number, which is left out with a doubt: written back, it would replace the right one."""
    rounded = np.flatnonzero(np.asarray(pc.match_substring_regex(values, ROUNDED)))
    said = (
        "That is how a spreadsheet shows a long number, rounded. It is left out, and the number that the catalog has is"
        " kept; format the column as text and write the whole number."
    )
    doubts = dict.fromkeys(rounded.tolist(), said)
    return Judged(_without(values, doubts), {}, doubts)


def amounts(values: pa.Array) -> Judged:
    """Amounts such as `150`, `150.00`, `1,250` or `$1,250`; the normal form has two decimals: `1250.00`."""
    judged = _matching(values, AMOUNT, "an amount of at most ten digits, such as 150, 150.00, 1,250 or $1,250")
    plain = pc.replace_substring_regex(judged.values, "[$, ]", "")
    return Judged(plain.cast(pa.decimal128(12, 2)).cast(LARGE_TEXT), judged.problems)


def integers(values: pa.Array) -> Judged:
    """Whole numbers, without leading zeros."""
    judged = _matching(values, INTEGER, "a whole number and nothing else, such as 7")
    return Judged(judged.values.cast(pa.int64()).cast(LARGE_TEXT), judged.problems)


def flags(values: pa.Array) -> Judged:
    """`true` or `false`."""
    return _looked_up(values, FLAGS, "True or False")


def pacings(values: pa.Array) -> Judged:
    """`instructor_paced` or `self_paced`."""
    return _looked_up(values, PACINGS, "Instructor-Paced or Self-Paced")


def names(values: pa.Array) -> Judged:
    """Names separated by commas; the normal form has each name once, trimmed, in the order given."""
    split = (dict.fromkeys(filter(None, map(str.strip, value.split(",")))) for value in values.to_pylist())
    return Judged(pa.array([", ".join(found) or None for found in split], LARGE_TEXT))


def one_of(known: Iterable[str], *, certain: bool = True) -> Judge:
    """One of the known names, in any case; the normal form is its known spelling.

    If not `certain`, any other name is accepted, with a warning.
    """
    spelled = {_folded(name): name for name in reversed([*known])}

    def judge(values: pa.Array) -> Judged:
        judged = _looked_up(values, spelled, "", lambda value: _nearest(value, [*spelled.values()]))
        if certain:
            return judged
        taken = pc.coalesce(judged.values, values)
        return Judged(taken, {}, {at: f"{said} The catalog may know it." for at, said in judged.problems.items()})

    return judge


def html(tags: Iterable[str]) -> Judge:
    """Text that may have these tags and no others, and no scripts."""
    allowed = rf"(?i)</?(?:{'|'.join(map(re.escape, tags))})(?:\s[^<>]*)?/?>|(?s:<!--.*?-->)"

    def judge(values: pa.Array) -> Judged:
        problems = {}
        suspects = np.flatnonzero(pc.match_substring_regex(values, "(?i)<|script:|data:text"))
        texts = values.take(pa.array(suspects))
        rest = pc.replace_substring_regex(texts, allowed, "")
        foreign = np.asarray(pc.match_substring_regex(rest, r"<[/!?A-Za-z]"))
        running = np.asarray(pc.match_substring_regex(texts, HANDLER))
        for at in np.flatnonzero(foreign | running).tolist():
            found = re.search(r"<[/!?]?[A-Za-z]*", rest[at].as_py())
            what = f"the tag {found[0]}> " if found and foreign[at] else "something that runs "
            problems[int(suspects[at])] = f"The HTML has {what}in it; accepted are the tags {' '.join(tags)}."
        return Judged(_without(values, problems), problems)

    return judge


def languages(known: Mapping[str, str], *, first_only: bool) -> Judge:
    """Languages by name or code, separated by commas; the normal form is their codes, or the first one's."""
    codes = {
        _folded(spelling): code for code, name in known.items() for spelling in (name, code, code.replace("-", "_"))
    }

    def judge(values: pa.Array) -> Judged:
        found, problems, doubts = [], {}, {}
        for at, value in enumerate(values.to_pylist()):
            parts = [part.strip() for part in _split_languages(value, codes)]
            unknown = next((part for part in parts if _folded(part) not in codes), None)
            if unknown is not None:
                problems[at] = _nearest(unknown, [*known.values(), *known])
            elif first_only and len(parts) > 1:
                doubts[at] = f"Only the first language counts: {parts[0]}."
            chosen = parts[:1] if first_only else parts
            found.append(None if unknown is not None else ", ".join(dict.fromkeys(codes[_folded(p)] for p in chosen)))
        return Judged(pa.array(found, LARGE_TEXT), problems, doubts)

    return judge


def dates(formats: Iterable[str]) -> Judge:
    """Dates in the declared formats; the normal form is ISO: `2026-03-02`."""
    shapes = [*formats]
    examples = ", ".join(date(2026, 3, 22).strftime(shape) for shape in shapes)

    def judge(values: pa.Array) -> Judged:
        found = [_date(value, shapes) for value in values.to_pylist()]
        message = f"That is no date; accepted are {examples}, from {YEARS[0]} to {YEARS[1]}."
        return Judged(pa.array(found, LARGE_TEXT), {at: message for at, iso in enumerate(found) if iso is None})

    return judge


def publish_dates(formats: Iterable[str]) -> Judge:
    """Dates, or the word `now` for a run that is on sale already."""
    judge_date = dates(formats)

    def judge(values: pa.Array) -> Judged:
        is_now = np.asarray(pc.equal(pc.utf8_lower(values), PUBLISH_NOW))
        judged = judge_date(values)
        problems = {
            at: said.replace("accepted are ", f"accepted are {PUBLISH_NOW}, ")
            for at, said in judged.problems.items()
            if not is_now[at]
        }
        return Judged(pc.if_else(pa.array(is_now), PUBLISH_NOW, judged.values), problems)

    return judge


def times(values: pa.Array) -> Judged:
    """Times of day; the normal form is the microseconds since midnight UTC, as text: `00:00-05:00` is 18000000000."""
    found = [_time(value) for value in values.to_pylist()]
    message = "That is no time; accepted are 00:00, 23:59:59, 9:30 AM, 00:00Z and 00:00-05:00."
    return Judged(pa.array(found, LARGE_TEXT), {at: message for at, time in enumerate(found) if time is None})


def instants(days: pa.Array, times_of_day: pa.Array) -> pa.Array:
    """Instants, in microseconds since 1970 UTC, of ISO dates and of times in the form of `times`; midnight if null."""
    midnights = days.cast(pa.timestamp("us")).cast(pa.int64())
    moments = pc.add(midnights, pc.fill_null(times_of_day.cast(pa.int64()), 0))
    return moments.cast(pa.timestamp("us", "UTC"))


def _split_languages(value: str, codes: Mapping[str, str]) -> list[str]:
    return [value] if _folded(value) in codes else [part for part in value.split(",") if part.strip()] or [value]


def _date(text: str, shapes: list[str]) -> str | None:
    for shape in shapes:
        try:
            day = datetime.strptime(text, shape).replace(tzinfo=UTC).date()
        except ValueError:
            continue
        if text.isascii() and YEARS[0] <= day.year <= YEARS[1]:
            return day.isoformat()
    return None


def _time(text: str) -> str | None:
    found = TIME.fullmatch(text)
    if not found:
        return None
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    since_midnight = timedelta(hours=hour, minutes=minute, seconds=second) - _offset(found["zone"] or "Z")
    return str(since_midnight // timedelta(microseconds=1))


def _offset(zone: str) -> timedelta:
    if zone[0] not in "+-":
        return timedelta()
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -offset if zone[0] == "-" else offset


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _nearest(value: str, known: list[str]) -> str:
    if len(known) <= MOST_NAMED:
        return f"{value[:100]!r} is not known. Accepted: {', '.join(known)}."
    near = difflib.get_close_matches(value, known, n=3, cutoff=0.5) or known[:3]
    return f"{value[:100]!r} is not known. Accepted are, among others: {', '.join(near)}."


def _looked_up(
    values: pa.Array, known: Mapping[str, str], wanted: str, said: Callable[[str], str] | None = None
) -> Judged:
    found = [known.get(_folded(value)) for value in values.to_pylist()]
    problems = {
        at: said(values[at].as_py()) if said else f"That is not {wanted}."
        for at, value in enumerate(found)
        if value is None
    }
    return Judged(pa.array(found, LARGE_TEXT), problems)


def _matching(values: pa.Array, pattern: str, wanted: str) -> Judged:
    bad = np.flatnonzero(~np.asarray(pc.match_substring_regex(values, pattern)))
    problems = dict.fromkeys(bad.tolist(), f"That is not {wanted}.")
    return Judged(_without(values, problems), problems)


def _without(values: pa.Array, problems: Mapping[int, str]) -> pa.Array:
    if not problems:
        return values
    mask = np.zeros(len(values), dtype=bool)
    mask[list(problems)] = True
    return pc.if_else(pa.array(mask), pa.scalar(None, LARGE_TEXT), values)
