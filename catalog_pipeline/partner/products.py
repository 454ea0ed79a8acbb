"""Flattens a partner's product JSON into the rows of a feed: one row for each variant, as in a CSV."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.columns import PUBLISH_NOW
from catalog_pipeline.schemas.parsing import shown
from catalog_pipeline.sources.documents import MOST_NESTED, TooDeepError

Json = dict[str, Any]
VARIANTS = ("variant", "variants", "futureVariants", "customPresentations")
MIDNIGHT = "00:00:00"
CURRENCY = "USD"
LANGUAGES = {"English": "English - United States", "Español": "Spanish - Spain (Modern)"}
CONSTANTS = {
    "course_enrollment_track": "Executive Education(2U)",
    "course_run_enrollment_track": "Unpaid Executive Education",
    "course_level": "Introductory",
    "course_pacing": "Instructor-Paced",
    "start_time": MIDNIGHT,
    "end_time": MIDNIGHT,
}
UNKNOWN_EFFORT = ("1", "2")
ADDRESS = re.compile(r"(?i)https?://|(?://)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:[/?#:][!-~]*)?\Z")
"""What decoded text is taken for an address: one with a scheme, or the name of a host and what may follow it."""

PRODUCT_FIELDS: dict[str, str | tuple[str, ...]] = {
    # column: field, or the first of several that has a value
    "organization": ("altUniversityAbbreviation", "universityAbbreviation"),
    "number": "abbreviation",
    "alternate_number": "altAbbreviation",
    "title": ("altName", "name"),
    "2u_title": "name",
    "edx_title": "altName",
    "2u_organization_code": "universityAbbreviation",
    "short_description": ("blurb", "name"),
    "what_will_you_learn": "whatWillSetYouApart",
    "primary_subject": ("altSubjectMatter", "subjectMatter"),
    "2u_primary_subject": "subjectMatter",
    "subject_subcategory": "altSubjectMatter1",
    "external_identifier": "id",
    "length": "durationWeeks",
    "external_course_marketing_type": "productType",
    "meta_title": "metaTitle",
    "meta_description": "metaDescription",
    "meta_keywords": "metaKeywords",
    "slug": "slug",
    "taxi_form_id": "edxTaxiFormId",
}
ADDRESSES = {
    "image": "cardUrl",
    "redirect_url": "edxPlpUrl",
    "organic_url": "edxRedirectUrl",
    "lead_capture_form_url": "lcfURL",
    "about_video_link": "videoURL",
    "organization_logo_override": "logoUrl",
    "post_submit_url": "prospectusUrl",
}
CERTIFICATE = {"certificate_header": "headline", "certificate_text": "blurb"}
STATS = {"stat1": "stat1", "stat1_text": "stat1Blurb", "stat2": "stat2", "stat2_text": "stat2Blurb"}
VARIANT_FIELDS: dict[str, str | tuple[str, ...]] = {
    "variant_id": "id",
    "verified_price": "finalPrice",
    "fixed_price_usd": "enterprisePriceUsd",
    "start_date": "startDate",
    "end_date": "endDate",
    "reg_close_date": "finalRegCloseDate",
}


class Flattened(NamedTuple):
    """What `{"products": [...]}` says."""

    rows: list[dict[str, str]]
    """Column → text: a row for each variant."""
    errors: list[tuple]
    """By RAW_ERROR_COLUMNS."""
    warnings: list[tuple]
    """By WARNING_COLUMNS."""
    without_rows: list[str]
    """The product numbers of products without a variant."""


def flatten_products(text: bytes, name: str) -> Flattened:
    """Flatten `{"products": [...]}`.

    Rows count from 2, as in a CSV with a header. A field that is missing is a blank cell. A variant that is not
    scheduled is on sale: its publish date is `now`. Raises FeedRefusedError.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FeedRefusedError(f"{name} is not JSON: {error}. Feed the partner's product JSON, or a CSV.") from None
    products = document.get("products") if isinstance(document, dict) else None
    if not isinstance(products, list):
        raise FeedRefusedError(f'{name} has no list "products". Feed JSON such as {{"products": [...]}}, or a CSV.')
    flattening = _Flattening([], [], [], [])
    try:
        for position, product in enumerate(products, start=1):
            flattening.add(product, position)
    except TooDeepError as error:
        raise FeedRefusedError(f"{name}: {error} Feed it without that product.") from None
    return flattening


class _Flattening(Flattened):
    """The rows made so far, and what was wrong on the way."""

    @property
    def row(self) -> int:
        """The number of the row that is being made."""
        return len(self.rows) + 2

    def add(self, product: Any, position: int) -> None:
        if not isinstance(product, dict):
            self._refuse({}, f"Product {position} is no object.")
            return
        shared = self._product_columns(product)
        variants = list(_variants(product))
        if not variants:
            number = shown(shared["number"]) or "without an abbreviation"
            message = f"Product {position} ({number}) has no variant."
            self.warnings.append((None, "IGNORED_VALUE", None, message, None))
            if shared["external_identifier"] and "\0" not in shared["external_identifier"]:
                self.without_rows.append(shared["external_identifier"])
        for variant in variants:
            if isinstance(variant, dict):
                row = shared | self._variant_columns(variant)
                self._note_effort(product, row)
                self._judge_currency(variant, row)
                self.rows.append(row)
            else:
                self._refuse(shared, f"A variant of product {position} is no object.")

    def _refuse(self, row: dict[str, str], message: str) -> None:
        self.errors.append((self.row, "RAGGED_ROW", None, None, message))
        self.rows.append(row)

    def _product_columns(self, product: Json) -> dict[str, str]:
        language = LANGUAGES.get(_text(product.get("language")), "English")
        effort = efforts(_text(product.get("effort"))) or UNKNOWN_EFFORT
        plp = _address(product.get("edxPlpUrl"))
        submit = _address(product.get("prospectusUrl"))
        if not submit and product.get("productType") == "sprint":
            submit = plp.replace("/lp/", "/info/")
        return {
            **CONSTANTS,
            **_picked(product, PRODUCT_FIELDS),
            **_picked(_object(product, "certificate"), CERTIFICATE),
            **_picked(_object(product, "stats"), STATS),
            **{column: _address(product.get(field)) for column, field in ADDRESSES.items()},
            "post_submit_url": submit,
            "long_description": _text(product.get("introduction")) + _text(product.get("isThisCourseForYou")),
            "content_language": language,
            "transcript_language": language,
            "minimum_effort": effort[0],
            "maximum_effort": effort[1],
            "syllabus": _syllabus(_object(product, "curriculum")),
            "frequently_asked_questions": _listed(product, "faqs", _question),
            "learner_testimonials": _listed(product, "testimonials", _testimonial),
        }

    def _variant_columns(self, variant: Json) -> dict[str, str]:
        scheduled = variant.get("status") == "scheduled"
        private = variant.get("websiteVisibility") == "private"
        columns = _picked(variant, VARIANT_FIELDS)
        return {
            **columns,
            "reg_close_time": MIDNIGHT if columns["reg_close_date"] else "",
            "publish_date": columns["start_date"] if scheduled else PUBLISH_NOW,
            "is_future_variant": str(scheduled),
            "restriction_type": "custom-b2b-enterprise" if private else "None",
        }

    def _note_effort(self, product: Json, row: dict[str, str]) -> None:
        effort = _text(product.get("effort"))
        if not efforts(effort):
            message = f"The effort {effort[:100]!r} names no hours; 1 to 2 hours a week are assumed."
            self.warnings.append((self.row, "IGNORED_VALUE", "minimum_effort", message, None))

    def _judge_currency(self, variant: Json, row: dict[str, str]) -> None:
        currency = shown(_text(variant.get("currency"))) or CURRENCY
        if currency != CURRENCY:
            message = f"The price is in {currency[:20]}; only prices in {CURRENCY} are taken."
            self.errors.append(
                (self.row, "COURSE_CREATE_ERROR", "verified_price", shown(row["verified_price"]), message)
            )


def efforts(text: str) -> tuple[str, str] | None:
    """Minimum and maximum hours a week: `7–10 hours per week` → (7, 10), one number n → (n, n+1), none → None."""
    hours = [int(hours) for hours in re.findall(r"[0-9]{1,4}", text)]
    if not hours:
        return None
    return str(hours[0]), str(hours[1] if len(hours) > 1 else hours[0] + 1)


def _variants(product: Json) -> Iterator[Any]:
    for field in VARIANTS:
        value = product.get(field)
        yield from value if isinstance(value, list) else [] if value is None else [value]


def _picked(source: Json, fields: dict[str, Any]) -> dict[str, str]:
    """Column → the text of its field, or of the first of its fields that has any."""
    return {
        column: next(filter(None, (_text(source.get(f)) for f in ((field,) if isinstance(field, str) else field))), "")
        for column, field in fields.items()
    }


def _object(source: Json, field: str) -> Json:
    value = source.get(field)
    return value if isinstance(value, dict) else {}


def _text(value: Any, level: int = 0) -> str:
    """A JSON value as the text of a cell. Lists are joined by commas; an object has no text. Raises TooDeepError."""
    if level > MOST_NESTED:
        raise TooDeepError
    if isinstance(value, list):
        return ", ".join(filter(None, (_text(item, level + 1) for item in value)))
    return "" if value is None or isinstance(value, dict) else str(value)


def _address(value: Any) -> str:
    """An address, given plainly or in base64. One without a scheme is decoded too, so that its error shows it."""
    text = _text(value)
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text
    return decoded if ADDRESS.match(decoded) else text


def _listed(product: Json, field: str, as_html: Callable[[Json], str]) -> str:
    value = product.get(field)
    return "".join(as_html(item) for item in value if isinstance(item, dict)) if isinstance(value, list) else ""


def _syllabus(curriculum: Json) -> str:
    heading, blurb = _text(curriculum.get("heading")), _text(curriculum.get("blurb"))
    modules = _listed(curriculum, "modules", _module)
    parts = (heading and f"<p>{heading}</p>", blurb and f"<p>{blurb}</p>", modules and f"<ul>{modules}</ul>")
    return "".join(parts)


def _module(module: Json) -> str:
    title = ": ".join(filter(None, (_text(module.get("module_number")), _text(module.get("heading")))))
    return f"<li><b>{title}</b> {_text(module.get('description'))}</li>"


def _question(faq: Json) -> str:
    return f"<p><b>{_text(faq.get('headline'))}</b></p>{_text(faq.get('blurb'))}"


def _testimonial(testimonial: Json) -> str:
    by = ", ".join(filter(None, (_text(testimonial.get("name")), _text(testimonial.get("title")))))
    return f"<p>{_text(testimonial.get('text'))}</p><p>{by}</p>"
