"""Which course has a product number that several want."""

from typing import NamedTuple

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.rules.product_numbers import given_up, lost_claims


class Course(NamedTuple):
    """A course: the number that it has and whether it is archived, whether the feed lists it, and with which number."""

    has: str | None = None
    is_archived: bool = False
    listed: bool = True
    wants: str | None = None


def frames(courses: list[Course]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The claims and the holders; a course's id is its place."""
    claims = [
        (at, f"A+{at}", one.wants or one.has, (one.wants or one.has) == one.has)
        for at, one in enumerate(courses)
        if one.listed and (one.wants or one.has)
    ]
    holders = [(at, f"A+{at}", one.has, one.is_archived) for at, one in enumerate(courses) if one.has]
    return (
        pd.DataFrame(claims, columns=["course", "key", "identifier", "has_it"]),
        pd.DataFrame(holders, columns=["course", "key", "identifier", "is_archived"]),
    )


def lost(*courses: Course) -> list[tuple[int, str, str]]:
    return list(lost_claims(*frames([*courses])).itertuples(index=False, name=None))


def test_a_number_stays_with_the_course_that_has_it_and_else_goes_to_the_first_in_the_file() -> None:
    assert lost(Course(has="n", listed=False), Course(wants="n")) == [(1, "n", "A+0")]
    assert lost(Course(wants="n"), Course(has="n")) == [(0, "n", "A+1")]
    assert lost(Course(wants="n"), Course(wants="n")) == [(1, "n", "A+0")]


def test_an_archived_course_gives_its_number_up_unless_it_is_listed_again() -> None:
    gone = Course(has="n", is_archived=True, listed=False)
    assert lost(gone, Course(wants="n")) == []
    assert given_up(*frames([gone, Course(wants="n")])).to_numpy().tolist() == [[1, "n", "A+0"]]
    assert lost(Course(wants="n"), Course(has="n", is_archived=True)) == [(0, "n", "A+1")]


def test_a_course_whose_claim_fails_keeps_the_number_that_it_has() -> None:
    assert lost(Course(has="x", listed=False), Course(has="n", wants="x"), Course(wants="n")) == [
        (1, "x", "A+0"),
        (2, "n", "A+1"),
    ]


numbers = st.sampled_from(["1", "2", "3"]) | st.none()


@given(st.lists(st.builds(Course, numbers, st.booleans(), st.booleans(), numbers), max_size=6))
def test_no_two_courses_end_with_one_number_and_none_loses_what_it_has(courses: list[Course]) -> None:
    stand = [
        one if one.has not in [earlier.has for earlier in courses[:at]] else one._replace(has=None)
        for at, one in enumerate(courses)
    ]
    claims, holders = frames(stand)
    failed = lost_claims(claims, holders)
    won = claims[~claims["course"].isin(failed["course"])]
    after = {at: one.has for at, one in enumerate(stand) if one.has}
    after.update(dict.fromkeys(given_up(pd.DataFrame(won), holders)["holder"].str[2:].astype(int)))
    after.update(zip(won["course"], won["identifier"], strict=True))
    held = [number for number in after.values() if number]
    assert len(held) == len(set(held))
    for at, one in enumerate(stand):
        assert after.get(at) == one.has or at in won["course"].tolist() or (one.is_archived and one.has in held)
