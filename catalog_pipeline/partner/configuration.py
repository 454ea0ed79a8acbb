"""The configured rules of partner feeds: which columns are required, and which names are known.

Shipped in `rules.yaml`; a file of the same form, named by a setting, stands in its place.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from catalog_pipeline.addresses import MailAddress
from catalog_pipeline.errors import FeedRefusedError, SettingsError
from catalog_pipeline.partner.columns import COLUMNS

SHIPPED = Path(__file__).with_name("rules.yaml")


def _known_column(name: str) -> str:
    if name not in COLUMNS:
        raise ValueError(f"{name!r} is no column of a feed")
    return name


ColumnName = Annotated[str, AfterValidator(_known_column)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class CourseType(_Part):
    """A course type: the name that feeds use for it, and the name that people use."""

    track: str
    title: str


class HeaderColumns(_Part):
    """Columns that the header must name."""

    always: list[ColumnName]
    by_course_type: dict[str, list[ColumnName]]


class RequiredColumns(_Part):
    """Columns that may not be blank."""

    always: list[ColumnName]
    by_course_type_and_source: dict[str, dict[str, list[ColumnName]]]
    but_not_for_marketing_type: dict[str, list[ColumnName]]


class PartnerRules(_Part):
    """The whole file; its comments say what each part means."""

    sources: dict[str, str]
    course_types: dict[str, CourseType]
    run_tracks: list[str]
    columns: HeaderColumns
    required: RequiredColumns
    marketing_types: list[str]
    program_types: list[str]
    organization_codes: dict[str, dict[str, str]]
    recipients: dict[str, dict[str, list[MailAddress]]]
    date_formats: list[str]
    levels: list[str]
    subjects: list[str]
    html_tags: list[str]
    languages: dict[str, str]

    @model_validator(mode="after")
    def _courses_have_keys(self) -> "PartnerRules":
        for column in ("number", "title"):
            if column not in self.required.always:
                raise ValueError(f"{column} must be among the columns that are always required")
        return self

    @model_validator(mode="after")
    def _only_known_scopes(self) -> "PartnerRules":
        by_type = {**self.required.by_course_type_and_source, **self.recipients}
        named = {*by_type, *self.columns.by_course_type}
        sources = {source for scope in (*by_type.values(), self.organization_codes) for source in scope}
        for what, unknown in (("course type", named - {*self.course_types}), ("source", sources - {*self.sources})):
            if unknown:
                raise ValueError(f"{sorted(unknown)[0]!r} is none of the {what}s of this file")
        return self

    def check_scope(self, source: str, product_type: str) -> None:
        """Raise FeedRefusedError unless source and course type are slugs that these rules know."""
        for what, slug, known in (("source", source, self.sources), ("product type", product_type, self.course_types)):
            if slug not in known:
                raise FeedRefusedError(
                    f"{slug!r} is no known {what}: there are {', '.join(known)}."
                    " Correct it, or add it to the rules (CATALOG_PARTNER_RULES)."
                )

    def required_columns(self, product_type: str, source: str) -> list[str]:
        """Columns that may not be blank in a feed of this course type and source, in the order of the rules."""
        more = self.required.by_course_type_and_source.get(product_type, {}).get(source, [])
        return list(dict.fromkeys([*self.required.always, *more]))

    def header_columns(self, product_type: str) -> list[str]:
        """Columns that the header of a feed of this course type must name."""
        return [*self.columns.always, *self.columns.by_course_type.get(product_type, [])]

    def recipients_of(self, product_type: str, source: str) -> list[str]:
        """Mail addresses that the summary of such a feed goes to."""
        return self.recipients.get(product_type, {}).get(source, [])


def load_rules(path: Path | None = None) -> PartnerRules:
    """The rules in a file, or the shipped ones. Raises SettingsError, naming the file and the place in it."""
    path = path or SHIPPED
    try:
        # libyaml's loader, ten times as fast as yaml.safe_load: every feed and every look at the folder reads the rules
        return PartnerRules.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except OSError as error:
        raise SettingsError(f"CATALOG_PARTNER_RULES: {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"CATALOG_PARTNER_RULES: {path} is not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        said = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"CATALOG_PARTNER_RULES: {path}, at {place}: {said}.") from None
