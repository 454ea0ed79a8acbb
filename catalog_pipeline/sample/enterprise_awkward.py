"""Content documents that are hard to read, each of which breaks an assumption that a reader might make.

Their keys are those of the sample's awkward courses, which never change. Upstream widens a `product_source` that is
text to an object without a slug, and sends it as it is where it was stored before that rule; so both are sent.
"""

from collections.abc import Callable
from typing import Any

from catalog_pipeline.sample.payloads import Document, fixed_uuid

Change = Callable[[Document], None]


def before_normalizing(document: Document) -> None:
    """Change an awkward course before its dates and price are derived from it."""
    _BEFORE.get(document.get("key", ""), _nothing)(document)


def after_normalizing(document: Document) -> None:
    """Change an awkward course when it is otherwise complete."""
    _AFTER.get(document.get("key", ""), _nothing)(document)


def _nothing(document: Document) -> None:
    pass


def _run(document: Document, position: int) -> dict[str, Any]:
    """A run of a course; an empty one where the course has fewer, so that changing it changes nothing."""
    runs = document["course_runs"]
    return runs[position] if position < len(runs) else {"seats": [{}]}


def _nulls(document: Document) -> None:
    """No price anywhere, and null where others have a list."""
    document.update(entitlements=None, owners=None, subjects=None, languages=None, product_source=None)
    for run in document["course_runs"]:
        run.update(seats=None, fixed_price_usd=None, first_enrollable_paid_seat_price=None)


def _fractions(document: Document) -> None:
    """A seat's deadline that is half a second after the end of enrollment, and comes first as text."""
    run = _run(document, 0)
    run["enrollment_end"] = "2026-03-20T00:00:00Z"
    run["seats"][-1]["upgrade_deadline"] = "2026-03-20T00:00:00.5Z"


def _offsets(document: Document) -> None:
    """Dates with an offset, a fraction of seven digits, small letters, a space; and a run with no price of its own."""
    first, second = _run(document, 0), _run(document, 1)
    first["start"], first["enrollment_end"] = "2026-02-02T01:00:00+01:00", "2026-01-27T23:59:59.9999999Z"
    second["start"], second["enrollment_end"] = "2026-06-02t00:00:00z", "2026-05-26 23:59:59-05:00"
    second["fixed_price_usd"] = None


def _date_only(document: Document) -> None:
    _run(document, 0)["enrollment_end"] = "2026-04-30"


def _not_a_date(document: Document) -> None:
    """A deadline that no one can read, and one that overrides another."""
    run = _run(document, 0)
    run["enrollment_end"] = "end of April"
    run["seats"][-1]["upgrade_deadline_override"] = "2026-05-15T12:00:00Z"


def _advertised_elsewhere(document: Document) -> None:
    """The advertised run is none of the course's."""
    document["advertised_course_run_uuid"] = fixed_uuid("run", "elsewhere")


def _text_source(document: Document) -> None:
    document["product_source"] = "edX"


def _widened_source(document: Document) -> None:
    document["product_source"] = {"name": "2u", "slug": None, "description": None}


def _not_yet_normalized(document: Document) -> None:
    """As a course is between its discovery and the night's full update."""
    del document["normalized_metadata"], document["normalized_metadata_by_run"]


def _without_runs(document: Document) -> None:
    """The normalized keys have dates, but there is no list of runs."""
    del document["course_runs"]


_BEFORE: dict[str, Change] = {
    "DunmoreX+HIST1": _nulls,
    "NorthgateX+CHEM5": _fractions,
    "HarborlightX+LEAD1": _offsets,
    "GhostwoodX+ENV4": _date_only,
    "AldermoorX+CS201": _not_a_date,
    "CalderaX+PHY10": _advertised_elsewhere,
    "BrightwaterX+ECON110": _text_source,
    "Köstenbrück+Übung-1": _widened_source,
}
_AFTER: dict[str, Change] = {
    "BrightwaterX+ECON111": _not_yet_normalized,
    "Nord.Fjell-Tek+CS-101.x": _without_runs,
}
