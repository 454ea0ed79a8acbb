"""What counts as an instant in documents of enterprise services, and what does not."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.rules.instants import parse_instants

FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


def oracle(value: str | None) -> datetime | None:
    """One text, read by hand."""
    match = FORM.fullmatch(value or "")
    if match is None:
        return None
    *numbers, fraction, zone = match.groups()
    hours, minutes = (0, 0) if zone in "Zz" else (int(zone[:3]), int(zone[0] + zone[4:]))
    try:
        found = datetime(*map(int, numbers), int((fraction or "0")[:6].ljust(6, "0")), tzinfo=UTC)  # type: ignore[misc]
        found = found.replace(tzinfo=timezone(timedelta(hours=hours, minutes=minutes)))
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parsed(*texts: str | None) -> list[datetime | None]:
    found = parse_instants(pd.Series(texts, dtype="str"))
    return [None if instant is pd.NaT else instant.to_pydatetime() for instant in found]


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-04T05:06:07Z",
        "2026-03-04 05:06:07z",
        "2026-03-04t05:06:07.000Z",
        "2026-03-04T07:06:07+02:00",
        "2026-03-03T23:36:07-05:30",
        "2026-03-04T05:06:07.000000999Z",
    ],
)
def test_one_instant_may_be_written_in_several_ways(written: str) -> None:
    assert parsed(written) == [datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)]


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "2026-03-04", "2026-03-04T05:06:07", "2026-03-04T05:06Z", "2026-3-4T05:06:07Z", "None"),
        *("2026-03-04T05:06:07+0200", "2026-03-04T05:06:07+02", " 2026-03-04T05:06:07Z", "2026-03-04  05:06:07Z"),
        *("2026-02-30T00:00:00Z", "2026-03-04T24:00:00Z", "2026-03-04T05:06:60Z", "2026-03-04T05:06:07.Z"),
        *(
            "0000-01-01T00:00:00Z",
            "0000-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "²026-03-04T05:06:07Z",
        ),
        *("2026-03-04T05:06:07Z\n", "2026-03-04T05:06:07+24:00", "2026-03-04T05:06:07 Z", "1772600767"),
    ],
)
def test_whatever_is_written_otherwise_is_no_instant(written: str) -> None:
    assert parsed(written, None, "2026-03-04T05:06:07Z") == [None, None, datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)]


DIGITS = st.text("0123456789", min_size=1, max_size=12)
NEAR_INSTANTS = st.builds(
    lambda day, between, time, fraction, zone: f"{day}{between}{time}{fraction}{zone}",
    st.dates().map(str) | st.sampled_from(["2026-02-29", "2024-02-29", "0000-12-31", "9999-12-31"]),
    st.sampled_from("Tt -"),
    st.times().map(lambda time: time.replace(microsecond=0).isoformat()) | st.sampled_from(["24:00:00", "23:59:60"]),
    st.one_of(st.just(""), DIGITS.map(lambda digits: f".{digits}")),
    st.sampled_from(["Z", "z", "", "+00:00", "-00:00", "+14:00", "-23:59", "+9:00", "+0900"]),
)


@given(st.lists(st.one_of(st.none(), NEAR_INSTANTS, st.text(max_size=3)), max_size=8))
def test_instants_are_read_as_one_by_one(texts: list[str | None]) -> None:
    texts = [None if text is None else text.encode("utf-8", "ignore").decode() for text in texts]
    assert parsed(*texts) == [oracle(text) for text in texts]
