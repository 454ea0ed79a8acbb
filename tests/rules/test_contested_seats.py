"""Which program's row counts where several claim one seat, and why."""

# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.rules.contested_seats import decide

STATUSES = ["enrolled", "pending", "suspended", "canceled", "ended"]


def claim(program: str, **fields: Any) -> dict[str, Any]:
    return {
        "seat": 1,
        "is_ours": False,
        "kept_reason": None,
        "held_earlier": False,
        "status": "enrolled",
        "program": program,
        "curriculum": "c",
        **fields,
    }


def decided(claims: list[dict[str, Any]]) -> dict[tuple[int, str], tuple[bool, str]]:
    """Whether each program counts on each seat, and the reason."""
    frame = pd.DataFrame(claims).astype({"kept_reason": "str"})
    found = decide(frame)
    assert (found.groupby(frame["seat"])["counts"].sum() == 1).all()
    assert (found.groupby(frame["seat"])["reason"].nunique() == 1).all()
    rows = zip(frame["seat"], frame["program"], found["counts"], found["reason"], strict=True)
    return {(seat, program): (bool(counts), reason) for seat, program, counts, reason in rows}


def told(*claims: dict[str, Any]) -> tuple[str, str]:
    """The program that counts, and the reason."""
    return next((program, reason) for (_, program), (counts, reason) in decided(list(claims)).items() if counts)


def test_the_first_that_decides_is_the_reason() -> None:
    assert told(claim("a"), claim("b")) == ("a", "first_by_uuid")
    assert told(claim("a", status="canceled"), claim("b", status="pending")) == ("b", "enrolled_there")
    assert told(claim("a", status="pending"), claim("b")) == ("b", "enrolled_there")
    assert told(claim("a", status="ended"), claim("b", status="canceled")) == ("a", "first_by_uuid")
    assert told(claim("a"), claim("b", status="ended", held_earlier=True)) == ("b", "active_earlier")
    assert told(claim("a", held_earlier=True), claim("b", is_ours=True)) == ("b", "active_earlier")


def test_of_three_the_best_two_decide() -> None:
    assert told(claim("c"), claim("b"), claim("a", status="ended")) == ("b", "first_by_uuid")


def test_what_was_decided_before_stays() -> None:
    assert told(claim("a"), claim("b", kept_reason="first_by_uuid", held_earlier=True)) == ("b", "first_by_uuid")
    assert told(claim("a"), claim("b", kept_reason="enrolled_there", status="ended")) == ("b", "enrolled_there")


@st.composite
def seats(draw: st.DrawFn) -> list[dict[str, Any]]:
    claims = []
    for seat in range(draw(st.integers(1, 4))):
        holder, kept = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        programs = draw(st.lists(st.sampled_from("abcdef"), min_size=2, unique=True))
        for number, program in enumerate(programs):
            reason = "enrolled_there" if number == kept else None
            fields = {"seat": seat, "held_earlier": number == holder, "kept_reason": reason}
            claims.append(claim(program, status=draw(st.sampled_from(STATUSES)), **fields))
    return claims


@given(seats(), st.randoms())
def test_one_counts_of_each_seat_in_whatever_order_they_come(claims: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(claims)
    random.shuffle(shuffled)
    assert decided(shuffled) == decided(claims)
