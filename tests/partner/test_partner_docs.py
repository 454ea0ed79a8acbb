"""The tables of docs/partner-feeds.md are those of the declaration."""

import re
from pathlib import Path

from catalog_pipeline.partner import products
from catalog_pipeline.partner.columns import (
    ACCEPTED,
    ERROR_CODES,
    FEED_COLUMNS,
    WARNING_CODES,
    FeedColumn,
)
from catalog_pipeline.partner.configuration import SHIPPED, load_rules

GUIDE = Path(__file__).parents[2] / "docs" / "partner-feeds.md"
RULES = load_rules()


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def required(column: FeedColumn) -> str:
    """When a column may not be blank, by the shipped rules."""
    keys = ("organization", "course_track", "run_track")
    if column.name in RULES.required.always or column.kind in keys:
        return "always"
    scopes = [
        f"{course_type} of {source}"
        for course_type, sources in RULES.required.by_course_type_and_source.items()
        for source, columns in sources.items()
        if column.name in columns
    ]
    return "; ".join(scopes)


def kept_in(column: FeedColumn) -> str:
    return f"`{column.target}`" if column.target else ""


def columns() -> str:
    rows = [
        [f"`{column.name}`", required(column), column.description, ACCEPTED[column.kind], kept_in(column)]
        for column in FEED_COLUMNS
        if column.kind != "ignored"
    ]
    return table(["column", "required", "what it says", "accepted", "kept in"], rows)


def ignored() -> str:
    return ", ".join(f"`{column.name}`" for column in FEED_COLUMNS if column.kind == "ignored") + ".\n"


def errors() -> str:
    judged: dict[str, list[str]] = {}
    for column in FEED_COLUMNS:
        if column.kind not in ("ignored", "text", "names"):
            judged.setdefault(column.error_code, []).append(f"`{column.name}`")
    rows = [[f"`{code}`", meaning, ", ".join(judged.get(code, []))] for code, meaning in ERROR_CODES.items()]
    return table(["code", "what it means", "columns whose values it judges"], rows)


def warnings() -> str:
    return table(["code", "what it means"], [[f"`{code}`", meaning] for code, meaning in WARNING_CODES.items()])


def header() -> str:
    rows = [["any", ", ".join(f"`{name}`" for name in RULES.columns.always)]]
    rows += [
        [f"`{course_type}`", "also " + ", ".join(f"`{name}`" for name in names)]
        for course_type, names in RULES.columns.by_course_type.items()
    ]
    return table(["course type", "columns that the header must name"], rows)


def course_types() -> str:
    rows = [[f"`{slug}`", f"`{course_type.track}`"] for slug, course_type in RULES.course_types.items()]
    return table(["course type", "`course_enrollment_track`"], rows)


def json_fields() -> str:
    fields = {
        **products.PRODUCT_FIELDS,
        **products.ADDRESSES,
        **{column: f"certificate.{field}" for column, field in products.CERTIFICATE.items()},
        **{column: f"stats.{field}" for column, field in products.STATS.items()},
        **{column: f"variant.{field}" for column, field in products.VARIANT_FIELDS.items()},
    }
    kept = {column.name for column in FEED_COLUMNS if column.kind != "ignored"}
    rows = [
        [f"`{column}`", " or ".join(f"`{name}`" for name in ([field] if isinstance(field, str) else field))]
        for column, field in fields.items()
        if column in kept
    ]
    return table(["column", "field"], rows)


PARTS = {
    "columns": columns,
    "ignored": ignored,
    "errors": errors,
    "warnings": warnings,
    "header": header,
    "course types": course_types,
    "json": json_fields,
}


def generated(text: str) -> str:
    """The guide, with each part between its marks made anew."""
    for name, make in PARTS.items():
        marks = rf"(<!-- {name} -->\n)(.*?)(<!-- end -->)"
        assert re.search(marks, text, flags=re.DOTALL), f"the guide has no part {name}"
        text = re.sub(marks, lambda found, made=make: f"{found[1]}{made()}{found[3]}", text, flags=re.DOTALL)
    return text


def test_the_guide_tells_all_columns_and_errors_as_they_are_declared() -> None:
    assert GUIDE.read_text() == generated(GUIDE.read_text())


def test_every_kind_of_value_is_put_into_words() -> None:
    assert {column.kind for column in FEED_COLUMNS} == set(ACCEPTED)
    for name in RULES.marketing_types:
        assert f"`{name}`" in ACCEPTED["marketing_type"]


def test_the_guide_names_the_rules_file_that_is_shipped() -> None:
    assert f"catalog_pipeline/partner/{SHIPPED.name}" in GUIDE.read_text()
