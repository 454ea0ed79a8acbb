"""Rows that go out and come back by COPY, and those that are merged."""

from decimal import Decimal

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import copy_frame, create_staging, merge, read_frame
from catalog_pipeline.models.run import CourseVariant
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY

KINDS = {
    "line": ("text", TEXT, pa.large_string()),
    "at": ("timestamptz", INSTANT, pa.timestamp("us", "UTC")),
    "amount": ("numeric(12, 2)", MONEY, pa.decimal128(12, 2)),
    "n": ("bigint", pd.Int64Dtype(), pa.int64()),
    "flag": ("boolean", FLAG, pa.bool_()),
}


def test_a_frame_comes_back_as_it_went(connection: Connection) -> None:
    midnight = pd.Timestamp("2026-03-29T00:30:00.123456+01:00").tz_convert("UTC")
    frame = pd.DataFrame(
        {
            "line": ['a "quoted", line\nand another', "", None],
            "at": [midnight, pd.Timestamp("1900-01-01", tz="UTC"), None],
            "amount": [Decimal("1250.00"), Decimal("0.10"), None],
            "n": [2**62, -1, None],
            "flag": [True, False, None],
        }
    ).astype({name: dtype for name, (_, dtype, _) in KINDS.items()})
    create_staging(connection, "moved", {name: kind for name, (kind, _, _) in KINDS.items()})
    copy_frame(connection, "moved", frame)
    back = read_frame(connection, "SELECT * FROM moved", {name: kind for name, (_, _, kind) in KINDS.items()})
    pd.testing.assert_frame_equal(back.astype({"flag": FLAG}), frame)


def test_an_instant_is_written_as_the_instant_that_it_is_whatever_its_zone(connection: Connection) -> None:
    there = pd.Series([pd.Timestamp("2026-07-01T00:00:00", tz="America/New_York")])
    create_staging(connection, "moved", {"at": "timestamptz"})
    copy_frame(connection, "moved", pd.DataFrame({"at": there}))
    assert connection.execute(text("SELECT at = '2026-07-01 04:00+00' FROM moved")).scalar_one()


def test_rows_merge_by_another_unique_column_and_get_their_ids_from_the_database(connection: Connection) -> None:
    connection.execute(
        text("""
            INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
            SELECT 'course-v1:A+1+' || n, 'A', '1', n, 'T', 'reviewed' FROM generate_series(1, 3) n""")
    )
    runs = "(SELECT r.id AS course_run_id, gen_random_uuid() AS variant_id, '2u' AS product_source"
    runs += " FROM catalog.course_run r WHERE r.key_run <= '{}')"
    table, columns = CourseVariant.__table__, ["course_run_id", "variant_id", "product_source"]
    first = merge(connection, table, runs.format(2), columns, on="course_run_id")  # pyright: ignore[reportArgumentType]
    again = merge(connection, table, runs.format(3), columns, on="course_run_id")  # pyright: ignore[reportArgumentType]
    assert first == {"created": 2, "updated": 0, "unchanged": 0}
    assert again == {"created": 1, "updated": 2, "unchanged": 0}
