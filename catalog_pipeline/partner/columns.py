"""What a partner feed holds: its columns, the frame of its valid rows, and the codes of its errors and warnings.

One declaration, `FEED_COLUMNS`, drives the template, the header's matching, the validation and the documentation.
Which columns are required, and which names count as known, is configuration: `configuration.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import pandas as pd
import pandera.pandas as pa

from catalog_pipeline.models.run import PACINGS, RESTRICTION_TYPES
from catalog_pipeline.rules.run_values import CLEARS
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY, NUMBER, TEXT

Kind = Literal[
    "text", "line", "html", "url", "image", "logo", "uuid", "integer", "price", "money",
    "flag", "date", "publish_date", "time", "names",
    "organization", "number", "product_number", "course_track", "run_track", "level", "subject",
    "language", "languages", "pacing", "restriction", "marketing_type", "program_type", "ignored",
]  # fmt: skip
ATTRIBUTE = "partner_attributes"
PUBLISH_NOW = "now"
"""The `publish_date` of a run that is on sale already."""


@dataclass(frozen=True)
class FeedColumn:
    """One column of a feed. `level` says whether it describes the course or the run (the variant).

    `target` is the column of the catalog that it fills, `partner_attributes` where it has none of its own, and
    empty where it fills none.
    """

    name: str
    level: Literal["course", "run"]
    kind: Kind
    target: str
    description: str
    example: str = ""

    @property
    def error_code(self) -> str:
        """The code of a wrong value, as the loader of course-discovery names it where it has a name."""
        return KIND_CODES.get(self.kind, LEVEL_CODES[self.level])

    @property
    def longest(self) -> int | None:
        """The most characters of a value, where that is less than any cell may have."""
        return LONGEST.get(self.kind)

    @property
    def is_attribute(self) -> bool:
        """Whether it goes to the course's `partner_attributes`, under its own name."""
        return self.target == ATTRIBUTE


LEVEL_CODES = {"course": "COURSE_UPDATE_ERROR", "run": "COURSE_RUN_UPDATE_ERROR"}
KIND_CODES = {
    "organization": "MISSING_ORGANIZATION",
    "number": "COURSE_CREATE_ERROR",
    "price": "COURSE_CREATE_ERROR",
    "course_track": "MISSING_COURSE_TYPE",
    "run_track": "MISSING_COURSE_RUN_TYPE",
    "uuid": "INVALID_VARIANT_ID",
    "date": "INVALID_DATE",
    "publish_date": "INVALID_DATE",
    "time": "INVALID_DATE",
    "image": "IMAGE_DOWNLOAD_FAILURE",
    "logo": "LOGO_IMAGE_DOWNLOAD_FAILURE",
}
LONGEST = {
    "organization": 128,
    "number": 100,
    "product_number": 255,
    "line": 255,
    "url": 511,
    "image": 511,
    "logo": 511,
}


DATE = "a date: `2026-03-22`, `03/22/2026` (the month first), `March 22, 2026`, `22 March 2026`"
ACCEPTED: dict[Kind, str] = {
    "text": "text",
    "line": "text of at most 255 characters",
    "html": "text, or HTML of plain tags",
    "url": "an http or https address of at most 511 characters",
    "image": "an http or https address of at most 511 characters",
    "logo": "an http or https address of at most 511 characters",
    "uuid": "a UUID in any spelling",
    "integer": "a whole number",
    "price": "`150`, `150.00`, `1,250`, `$1,250`",
    "money": "`150`, `150.00`, `1,250`, `$1,250`",
    "flag": "`True`, `False`, `yes`, `no`, `1`, `0`",
    "date": DATE,
    "publish_date": f"{DATE}; or `{PUBLISH_NOW}`, which publishes the run at once",
    "time": "a time: `00:00`, `23:59:59`, `9:30 AM`, with an offset if not UTC: `00:00-05:00`",
    "names": "names, separated by commas",
    "organization": "a key, in any case",
    "number": "letters, digits and `- _ . ~ :`, at most 100",
    "product_number": "text of at most 255 characters; not `1.23457E+11`, a rounded number",
    "course_track": "the name of the feed's course type",
    "run_track": "the name of a run type",
    "level": "a known level",
    "subject": "a known subject",
    "language": "a language's name or code",
    "languages": "languages' names or codes, separated by commas",
    "pacing": "`Instructor-Paced`, `Self-Paced`",
    "restriction": "`custom-b2b-enterprise`, `custom-b2c`, `None`",
    "marketing_type": "`short_course`, `sprint`, `course_stack`",
    "program_type": "a program type's slug",
    "ignored": "anything",
}
"""What a cell of each kind may hold, in words for people."""


def _course(name: str, kind: Kind, target: str, description: str, example: str = "") -> FeedColumn:
    return FeedColumn(name, "course", kind, target, description, example)


def _run(name: str, kind: Kind, target: str, description: str, example: str = "") -> FeedColumn:
    return FeedColumn(name, "run", kind, target, description, example)


EMBARGO = "course_embargo_(ofac)_restriction_text_added_to_the_faq_section"

FEED_COLUMNS: tuple[FeedColumn, ...] = (
    _course("organization", "organization", "organization.key", "Key of the organization; it must exist.", "edX"),
    _course("number", "number", "catalog_course.course_code",
        "The course's number: the second part of its key.", "CS101"),
    _course("title", "line", "catalog_course.title", "Title of the course, and of its new runs.", "Leading Change"),
    _course("course_enrollment_track", "course_track", ATTRIBUTE,
        "Name of the course type; it must be the feed's.", "Executive Education(2U)"),
    _run("course_run_enrollment_track", "run_track", ATTRIBUTE, "Name of the run type.", "Unpaid Executive Education"),
    _course("image", "image", ATTRIBUTE,
        "Address of the card image. It is checked and kept, not fetched.", "https://cdn.example.org/card.jpg"),
    _course("short_description", "html", "catalog_course.short_description", "Short description."),
    _course("long_description", "html", "catalog_course.full_description", "Full description."),
    _course("what_will_you_learn", "html", ATTRIBUTE, "Learning outcomes."),
    _course("course_level", "level", ATTRIBUTE, "Level.", "Introductory"),
    _course("primary_subject", "subject", "catalog_course.topic", "First subject.", "Computer Science"),
    _course("secondary_subject", "subject", ATTRIBUTE, "Second subject."),
    _course("tertiary_subject", "subject", ATTRIBUTE, "Third subject."),
    _run("verified_price", "price", "course_run.price",
        "Price, in US dollars. The first unrestricted row's is the course's.", "2400.00"),
    _run("fixed_price_usd", "money", ATTRIBUTE, "Price for enterprises, in US dollars."),
    _run("publish_date", "publish_date", "course_run.go_live", "From when the run is to be published.", "2026-01-15"),
    _run("start_date", "date", "course_run.start", "First day.", "2026-03-02"),
    _run("start_time", "time", "course_run.start", "Time of the start, in UTC unless it names an offset.", "00:00:00"),
    _run("end_date", "date", "course_run.end", "Last day.", "2026-04-20"),
    _run("end_time", "time", "course_run.end", "Time of the end, in UTC unless it names an offset.", "23:59:59"),
    _run("reg_close_date", "date", "course_run.enrollment_end",
        "Last day of registration; needs its time.", "2026-02-24"),
    _run("reg_close_time", "time", "course_run.enrollment_end", "Time at which registration closes.", "23:59:59"),
    _run("upgrade_deadline_override_date", "date", "course_run.upgrade_deadline", "Last day to upgrade."),
    _run("upgrade_deadline_override_time", "time", "course_run.upgrade_deadline",
        "Time at which upgrading ends; midnight if blank."),
    _run("course_pacing", "pacing", "course_run.pacing", "Instructor-Paced or Self-Paced.", "Instructor-Paced"),
    _run("minimum_effort", "integer", ATTRIBUTE, "Least hours a week; less than maximum_effort.", "6"),
    _run("maximum_effort", "integer", ATTRIBUTE, "Most hours a week.", "8"),
    _run("length", "integer", ATTRIBUTE, "Weeks to complete.", "7"),
    _run("content_language", "language", "course_run.language",
        "Language, by name or code; the first of a list counts.", "English - United States"),
    _run("transcript_language", "languages", ATTRIBUTE,
        "Languages of transcripts, by name or code, separated by commas.", "English - United States"),
    _run("variant_id", "uuid", "course_variant.variant_id",
        "The partner's id of the variant: a UUID. One run stands for it.", "7e57d004-2b97-4e7a-b45f-5387367791cd"),
    _run("restriction_type", "restriction", "course_run.restriction_type",
        "Who may see the run. None clears it, blank leaves it."),
    _run("is_future_variant", "flag", "", "True for a variant that is only announced; told in the summary.", "False"),
    _course("external_identifier", "product_number", "catalog_course.external_identifier",
        "The partner's own product number.", "12345678"),
    _course("redirect_url", "url", ATTRIBUTE, "The product's page at the partner.", "https://partner.example.org/lp"),
    _course("organic_url", "url", ATTRIBUTE, "The product's page for visitors from search."),
    _course("lead_capture_form_url", "url", ATTRIBUTE, "The form for those interested."),
    _course("certificate_header", "text", ATTRIBUTE, "Heading on the certificate."),
    _course("certificate_text", "html", ATTRIBUTE, "Text on the certificate."),
    _course("stat1", "text", ATTRIBUTE, "First fact: its figure."),
    _course("stat1_text", "html", ATTRIBUTE, "First fact: its text."),
    _course("stat2", "text", ATTRIBUTE, "Second fact: its figure."),
    _course("stat2_text", "html", ATTRIBUTE, "Second fact: its text."),
    _course("syllabus", "html", ATTRIBUTE, "Syllabus."),
    _course("frequently_asked_questions", "html", ATTRIBUTE, "Questions and answers."),
    _course("external_course_marketing_type", "marketing_type", ATTRIBUTE,
        "How the partner sells the product.", "short_course"),
    _course("meta_title", "text", ATTRIBUTE, "Title for search engines."),
    _course("meta_description", "text", ATTRIBUTE, "Description for search engines."),
    _course("meta_keywords", "names", ATTRIBUTE, "Keywords, separated by commas."),
    _course("taxi_form_id", "text", ATTRIBUTE, "Id of the lead form; counts together with post_submit_url."),
    _course("post_submit_url", "url", ATTRIBUTE, "Where the lead form leads to."),
    _course("collaborators", "names", ATTRIBUTE, "Names of collaborators, separated by commas."),
    _run("staff", "names", ATTRIBUTE, "Names of the teaching staff, separated by commas."),
    _course("prerequisites", "html", ATTRIBUTE, "What learners should know before."),
    _course("learner_testimonials", "html", ATTRIBUTE, "What learners say."),
    _course("additional_information", "html", ATTRIBUTE, "Anything else."),
    _course("about_video_link", "url", ATTRIBUTE, "Address of the video about the course."),
    _course("organization_short_code_override", "text", ATTRIBUTE, "Organization code shown instead of the key."),
    _course("organization_logo_override", "logo", ATTRIBUTE, "Address of a logo shown instead of the organization's."),
    _run("expected_program_type", "program_type", ATTRIBUTE,
        "Type of the program that the run is meant for.", "professional-certificate"),
    _run("expected_program_name", "text", ATTRIBUTE, "Name of that program."),
    _run(EMBARGO, "text", ATTRIBUTE, "yes, 1 or true where sanctions restrict the run."),
    _run("ofac_comment", "text", ATTRIBUTE, "Why sanctions restrict the run, or do not."),
    _course("slug", "ignored", "", "Accepted and ignored."),
    _course("2u_organization_code", "ignored", "", "Accepted and ignored."),
    _course("2u_title", "ignored", "", "Accepted and ignored."),
    _course("edx_title", "ignored", "", "Accepted and ignored."),
    _course("alternate_number", "ignored", "", "Accepted and ignored."),
    _course("2u_primary_subject", "ignored", "", "Accepted and ignored."),
    _course("subject_subcategory", "ignored", "", "Accepted and ignored."),
)  # fmt: skip
"""Every column, in the order of the template."""

COLUMNS = {column.name: column for column in FEED_COLUMNS}
"""Column by normalised name."""

REASONS_COLUMN = "reasons"
"""The column that `partner rejects --csv` adds. Its cells are ignored; a feed that has it corrects an earlier one."""

REWRITTEN = r"0[0-9]+|[0-9]{12,}|[0-9]+[eE][0-9]+"
"""Texts of which a spreadsheet makes other ones, because it takes them for numbers: 0012, 123456789012, 10E2. In the
CSV of rejected rows they have a quote in front."""

VALID_ROW = pa.DataFrameSchema(
    {
        "row": pa.Column(NUMBER),
        "course_key": pa.Column(TEXT),
        "organization": pa.Column(TEXT),
        "number": pa.Column(TEXT),
        "course_type": pa.Column(TEXT),
        "product_source": pa.Column(TEXT),
        "title": pa.Column(TEXT),
        "short_description": pa.Column(TEXT, nullable=True),
        "full_description": pa.Column(TEXT, nullable=True),
        "topic": pa.Column(TEXT, nullable=True),
        "language": pa.Column(TEXT, nullable=True),
        "external_identifier": pa.Column(TEXT, nullable=True),
        "variant_id": pa.Column(TEXT, nullable=True),
        "start": pa.Column(INSTANT, nullable=True),
        "end": pa.Column(INSTANT, nullable=True),
        "enrollment_end": pa.Column(INSTANT, nullable=True),
        "go_live": pa.Column(INSTANT, nullable=True),
        "upgrade_deadline": pa.Column(INSTANT, nullable=True),
        "pacing": pa.Column(TEXT, pa.Check.isin(list(PACINGS)), nullable=True),
        "price": pa.Column(MONEY, pa.Check.ge(0), nullable=True),
        "currency": pa.Column(TEXT, nullable=True),
        "restriction_type": pa.Column(TEXT, pa.Check.isin([*RESTRICTION_TYPES, CLEARS]), nullable=True),
        "is_future_variant": pa.Column(FLAG),
        "on_sale": pa.Column(FLAG),
        "attributes": pa.Column(TEXT),
    },
    strict=True,
)
"""The rows that may be decided: one per row of the file without an error, in file order, index 0..n-1.

- `row`: the line a spreadsheet shows, the header being 1.
- `course_key`: `Org+Number`; the organization as the catalog spells it, where the catalog is known.
- `course_type`, `product_source`: the slugs of the feed, the same in every row.
- `language`: a code, such as `en-us`: the run's, and of the course's first row the course's.
- `topic`: as the rules or the catalog spell it.
- `variant_id`: in its canonical form, in small letters with hyphens.
- `restriction_type`: the text `None` clears what stands; null leaves it. Null in any other column leaves it too.
- `on_sale`: whether the run is to be published at once, whatever its `go_live`.
- `price`, `currency`: both or neither; the currency is always USD.
- `attributes`: a JSON object of text values by column name: every column of the feed whose target is
  `partner_attributes`, without the blank ones; keys in the order of `FEED_COLUMNS`; `{}` when there are none.
"""

ERROR_COLUMNS = ["row", "code", "column", "value", "message", "course_key", "variant_id"]
"""Columns of `errors`: one row for each reason why a row of the feed was rejected. `row` is int64, the rest is text;
`column` names a column of the feed."""

RAW_ERROR_COLUMNS = ERROR_COLUMNS[:5]
"""Columns of the errors that reading finds, before validation adds course and variant."""

WARNING_COLUMNS = ["row", "code", "column", "message", "course_key"]
"""Columns of `warnings`: what is ignored or doubted in an accepted row. `row` is null where the whole file is meant."""

ERROR_CODES = {
    "MISSING_ORGANIZATION": "The organization is blank, or the catalog has none of that key.",
    "MISSING_COURSE_TYPE": "The course's enrollment track is blank, unknown, or not that of the feed.",
    "MISSING_COURSE_RUN_TYPE": "The run's enrollment track is blank or unknown.",
    "MISSING_REQUIRED_DATA": "A column that is required for this course type and source, or by another of the row, is"
    " blank.",
    "COURSE_CREATE_ERROR": "No course can be made of the number or the price.",
    "COURSE_UPDATE_ERROR": "A value of the course is not of its kind: an unknown subject or level, a bad address; or"
    " its product number is another course's.",
    "COURSE_RUN_UPDATE_ERROR": "A value of the run is not of its kind, or its end lies before its start.",
    "IMAGE_DOWNLOAD_FAILURE": "The image is not an http or https address.",
    "LOGO_IMAGE_DOWNLOAD_FAILURE": "The logo is not an http or https address.",
    "INVALID_VARIANT_ID": "The variant's id is not a UUID.",
    "INVALID_DATE": "A date or time is of no declared form, is no day of the calendar, or lacks its other half.",
    "INVALID_TEXT": "A cell holds a NUL, or is longer than allowed.",
    "RAGGED_ROW": "The row has more or fewer cells than the header.",
    "CASE_COLLISION": "The course's key differs only by case from that of an earlier row, or of the catalog's course.",
    "DUPLICATE_ROW": "An earlier row has the same variant; or neither has one, and the schedule is the same.",
    "VARIANT_CONFLICT": "The variant stands for a run of another course, or an earlier row has it for another course.",
    "OWNERSHIP_CONFLICT": "The course belongs to another source or course type: the row is deferred, not rejected.",
}
"""What each code means. A row with one of these is rejected, or deferred where the course is another source's."""

WARNING_CODES = {
    "CONFLICTING_COURSE_VALUES": "The row says of the course what its first row does not; what the first says counts.",
    "UNKNOWN_VALUE": "A subject or level that the rules do not list; the catalog, not asked, may know it.",
    "IGNORED_VALUE": "A part of the value has no place in the catalog, or a spreadsheet rounded the product number.",
    "OWNED_BY_UPSTREAM": "An upstream lists the run and owns the field: its value stands. `explain` shows both.",
    "PRODUCT_NUMBER_GIVEN_UP": "An archived course had the product number. It has none now: this course has it.",
    "UNKNOWN_COLUMN": "Of the feed as a whole: no column of a feed has this name; it is ignored.",
}


def messages(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame of errors or warnings: `row` NUMBER, the rest text."""
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    return frame.astype({column: NUMBER if column == "row" else TEXT for column in columns})


@dataclass(frozen=True)
class FeedName:
    """Which feed it is: the name of its file, whose it is, the hash of its bytes, and when it arrived."""

    name: str
    source: str
    product_type: str
    sha256: str
    received_at: datetime


@dataclass(frozen=True)
class RawFeed:
    """A feed as read: text by column, before anything is judged.

    `frame`: `row` (NUMBER), then every known column of the header (text, trimmed; null where blank or where the text
    is `None`, but for `restriction_type`), in file order, index 0..n-1. Blank rows are left out. A ragged row keeps
    its cells as far as they go, and one with unreadable cells has nulls there: their reasons are in `errors`.
    `columns` are the header's known columns, `unknown` its other ones, normalised. `errors` is by RAW_ERROR_COLUMNS.
    """

    name: str
    sha256: str
    received_at: datetime
    format: Literal["csv", "json"]
    frame: pd.DataFrame
    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    errors: pd.DataFrame
    warnings: pd.DataFrame
    corrects: bool = False
    """Whether the feed is a correction: only some rows of an earlier feed, corrected."""
    without_rows: tuple[str, ...] = ()
    """The product numbers of products that are listed without a variant."""

    def with_only(self, rows: Collection[int]) -> "RawFeed":
        """This feed, as a correction that has only these rows."""
        frame, errors, warnings = (
            part[part["row"].isin(list(rows))].reset_index(drop=True)
            for part in (self.frame, self.errors, self.warnings)
        )
        return replace(self, frame=frame, errors=errors, warnings=warnings, unknown=(), without_rows=(), corrects=True)


@dataclass(frozen=True)
class ValidatedFeed:
    """What validation makes of a feed: `rows` by VALID_ROW, and frames of ERROR_COLUMNS and WARNING_COLUMNS.

    Every row of `RawFeed.frame` is in `rows` or in `errors`, and none is in both.
    """

    rows: pd.DataFrame
    errors: pd.DataFrame
    warnings: pd.DataFrame


@dataclass(frozen=True)
class Reference:
    """What the catalog knows, as text; None where the catalog is not asked, and then nothing is judged by it."""

    organizations: pd.Series | None = None
    """Keys of organizations, as the catalog spells them."""
    subjects: pd.Series | None = None
    """Topics of its courses."""
    levels: pd.Series | None = None
    """Levels of its courses."""
