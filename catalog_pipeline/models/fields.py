"""The fields of a course and of a run: one table that says of each column who writes it.

To add a column: add it to its model (and make a migration), add a row here, then teach each writer to say it.
A crawl reads it in `sources/discovery.py` or `sources/lms.py` and checks it in `schemas/catalog.py`;
a feed reads it in `partner/columns.py`. Whatever loads, compares or explains columns takes their names from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Writer = Literal["discovery", "lms", "feed"]
Kind = Literal["text", "instant", "money", "flag", "course_key"]


@dataclass(frozen=True)
class Field:
    """One column that upstreams or feeds write."""

    name: str
    discovery: bool = False
    """Whether course-discovery's documents say it."""
    lms: bool = False
    """Whether the LMS's documents say it."""
    feed: Literal["always", "unlisted"] | None = None
    """When a partner's current feed owns it: always, only while no upstream lists the row, or never (None)."""
    kind: Kind = "text"
    """How its value is read from what an upstream says."""
    schedule: bool = False
    """Whether it is part of the run's schedule, whose history `explain` shows."""


COURSE_FIELDS = (
    Field("title", discovery=True, feed="always"),
    Field("short_description", discovery=True, feed="always"),
    Field("full_description", discovery=True, feed="always"),
    Field("topic", discovery=True, feed="always"),
    Field("language", discovery=True, feed="always"),
    Field("course_type", discovery=True, feed="always"),
    Field("product_source", discovery=True, feed="always"),
    Field("product_status", discovery=True, feed="always"),
    Field("key_for_reruns", kind="course_key", discovery=True),
    Field("external_identifier", discovery=True, feed="always"),
    Field("partner_attributes", feed="always"),
)
RUN_FIELDS = (
    Field("title", discovery=True, lms=True, feed="unlisted"),
    Field("status", discovery=True, lms=True, feed="unlisted", schedule=True),
    Field("pacing", discovery=True, lms=True, feed="unlisted"),
    Field("language", discovery=True, feed="unlisted"),
    Field("start", kind="instant", discovery=True, lms=True, feed="always", schedule=True),
    Field("end", kind="instant", discovery=True, lms=True, feed="always", schedule=True),
    Field("enrollment_start", kind="instant", discovery=True, lms=True, schedule=True),
    Field("enrollment_end", kind="instant", discovery=True, lms=True, feed="always", schedule=True),
    Field("go_live", kind="instant", discovery=True, feed="always", schedule=True),
    Field("upgrade_deadline", kind="instant", discovery=True, feed="always"),
    Field("restriction_type", discovery=True, feed="always"),
    Field("price", kind="money", discovery=True, feed="always"),
    Field("currency", discovery=True, feed="always"),
    Field("has_seats", kind="flag", discovery=True),
)
"""A run's variant, which discovery and feeds say, is not here: it has a table of its own, `course_variant`."""

COURSE_KEYS = ("organization_id", "course_code", "key", "uuid")
RUN_KEYS = ("run_key", "key_org", "key_course", "key_run", "uuid")
"""The columns that tell which course or run a row is."""

LISTED = ("listed_by_id", "missing_since")
"""The columns that say which document lists a row, and since when none does."""

COURSE_BOOKKEEPING = (*LISTED, "status", "dropped_since")
RUN_BOOKKEEPING = (*LISTED, "superseded_by_id")
"""The columns that loads derive; nobody says them."""


def written_by(fields: Iterable[Field], writer: Writer) -> tuple[str, ...]:
    """The names of the fields that discovery, the LMS or feeds may write."""
    return tuple(field.name for field in fields if getattr(field, writer))


def carried_by_feeds(fields: Iterable[Field]) -> tuple[str, ...]:
    """The names of the fields that upstreams say too, but that the current feed owns of every row that it lists."""
    return tuple(field.name for field in fields if field.feed == "always" and (field.discovery or field.lms))


def left_to_upstreams(fields: Iterable[Field]) -> tuple[str, ...]:
    """The names of the fields that a feed writes only while no upstream lists the row."""
    return tuple(field.name for field in fields if field.feed == "unlisted")


def schedule(fields: Iterable[Field]) -> tuple[str, ...]:
    """The names of the fields of the run's schedule."""
    return tuple(field.name for field in fields if field.schedule)
