"""Tests of the registry of fields: it agrees with the models, and with what crawls check."""

import pytest

from catalog_pipeline.database.bulk import sql_types
from catalog_pipeline.models import fields
from catalog_pipeline.models.base import Base, CatalogRow
from catalog_pipeline.models.course import CatalogCourse
from catalog_pipeline.models.run import CourseRun
from catalog_pipeline.schemas.catalog import CATALOG_COURSE, COURSE_RUN

EVERY_TABLES = {name for name in vars(CatalogRow) if not name.startswith("_")}
REGISTERED = {
    CatalogCourse: (fields.COURSE_FIELDS, fields.COURSE_KEYS, fields.COURSE_BOOKKEEPING),
    CourseRun: (fields.RUN_FIELDS, fields.RUN_KEYS, fields.RUN_BOOKKEEPING),
}


@pytest.mark.parametrize("model", REGISTERED)
def test_every_column_of_a_model_is_a_field_a_key_or_bookkeeping_once(model: type[Base]) -> None:
    listed, keys, bookkeeping = REGISTERED[model]
    names = [*(field.name for field in listed), *keys, *bookkeeping, *EVERY_TABLES]
    assert sorted(names) == sorted(model.__table__.columns.keys())


@pytest.mark.parametrize(
    ("schema", "registry", "others"),
    [
        (CATALOG_COURSE, fields.COURSE_FIELDS, {"document", "key", "uuid", "first_owner", "first_owner_uuid"}),
        (COURSE_RUN, fields.RUN_FIELDS, {"document", "run_key", "uuid", "variant_id"}),
    ],
)
def test_crawls_check_every_field_that_an_upstream_says(schema, registry, others) -> None:
    assert set(schema.columns) - others == {
        *fields.written_by(registry, "discovery"),
        *fields.written_by(registry, "lms"),
    }


def test_a_field_is_found_by_who_writes_it() -> None:
    assert fields.written_by(fields.RUN_FIELDS, "lms") == (
        *("title", "status", "pacing", "start", "end", "enrollment_start", "enrollment_end"),
    )
    assert fields.left_to_upstreams(fields.RUN_FIELDS) == ("title", "status", "pacing", "language")
    assert "partner_attributes" not in fields.carried_by_feeds(fields.COURSE_FIELDS)
    assert fields.schedule(fields.RUN_FIELDS) == (
        *("status", "start", "end", "enrollment_start", "enrollment_end", "go_live"),
    )


def test_staging_tables_get_the_types_of_the_model() -> None:
    assert sql_types(CourseRun, ["run_key", "start", "price", "has_seats", "uuid"]) == {
        "run_key": "TEXT",
        "start": "TIMESTAMP WITH TIME ZONE",
        "price": "NUMERIC(12, 2)",
        "has_seats": "BOOLEAN",
        "uuid": "UUID",
    }
