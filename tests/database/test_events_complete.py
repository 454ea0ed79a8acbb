"""Whatever happens to a row of whatever tracked table, its event says exactly what differs between old and new."""

from itertools import product
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import null

from catalog_pipeline.database.triggers import UNTRACKED_COLUMNS
from catalog_pipeline.models.assignment import ALLOCATED_AT_SOURCES, EXPIRATION_REASONS
from catalog_pipeline.models.content import CONTENT_STATUSES, CONTENT_TYPES, PRICE_SOURCES
from catalog_pipeline.models.enterprise import ACCESS_METHODS, CONFIGURATION_OWNERS, CRAWL_OUTCOMES
from catalog_pipeline.models.run import ASSOCIATION_SOURCES, PACINGS, RESTRICTION_TYPES
from catalog_pipeline.models.tables import metadata
from catalog_pipeline.models.tracking import TRACKED

TABLES = [table for table in metadata.sorted_tables if table.fullname in TRACKED]
PARENTS = """
    INSERT INTO catalog.organization (key, name) VALUES ('P', 'P'), ('Q', 'Q'), ('R', 'R');
    INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
    SELECT id, '1', key || '+1', 't' FROM catalog.organization;
    INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
    SELECT 'course-v1:' || key || '+1+r', key, '1', 'r', 't', 'published' FROM catalog.organization;
    INSERT INTO catalog.program (uuid, title, status)
    SELECT gen_random_uuid(), 't', 'active' FROM catalog.organization;
    INSERT INTO catalog.enterprise_customer (uuid) SELECT gen_random_uuid() FROM catalog.organization;
    INSERT INTO catalog.enterprise_catalog (enterprise_customer_id, uuid)
    SELECT id, gen_random_uuid() FROM catalog.enterprise_customer;
    INSERT INTO catalog.subsidy (enterprise_customer_id, uuid)
    SELECT id, gen_random_uuid() FROM catalog.enterprise_customer;
    INSERT INTO catalog.assignment_configuration (enterprise_customer_id, uuid, owner)
    SELECT id, gen_random_uuid(), 'here' FROM catalog.enterprise_customer;
    INSERT INTO catalog.content_metadata (enterprise_catalog_id, content_key)
    SELECT id, 'P+1' FROM catalog.enterprise_catalog;
    INSERT INTO catalog.content_run (enterprise_catalog_id, run_key)
    SELECT id, 'course-v1:P+1+r' FROM catalog.enterprise_catalog;
    INSERT INTO catalog.learner (user_name) VALUES ('ann'), ('bob');
    INSERT INTO catalog.learner_key (learner_id, organization_id, external_key)
    SELECT l.id, o.id, 'k' FROM catalog.learner l JOIN catalog.organization o
    ON (l.user_name, o.key) IN (('ann', 'P'), ('bob', 'Q'));
    INSERT INTO catalog.curriculum (program_id, uuid) SELECT id, uuid FROM catalog.program;
    INSERT INTO catalog.program_enrollment (learner_id, program_id, curriculum_uuid, status)
    SELECT l.id, p.id, p.uuid, 'ended' FROM catalog.learner l, (SELECT * FROM catalog.program LIMIT 1) p;
    INSERT INTO catalog.course_enrollment (learner_id, course_run_id)
    SELECT l.id, r.id FROM catalog.learner l, catalog.course_run r WHERE r.key_org = 'R'"""
VALUES: dict[type, tuple[Any, Any]] = {
    Text: ('say "é😀"\n\\', "null"),
    DateTime: ("2026-03-29 01:30:00.123456+00", "infinity"),
    Numeric: ("1234567890.10", "0.00"),
    Boolean: (True, False),
    Uuid: ("5f0c1b1e-0000-4000-8000-00000000000a", "00000000-0000-0000-0000-000000000000"),
    Integer: (0, 2**31 - 1),
    BigInteger: (0, 2**63 - 1),
    ARRAY: (["5f0c1b1e-0000-4000-8000-00000000000a"], []),
    JSONB: ({"a": None, "b": [1.0, None, {"c": None}]}, None),  # None, not null(): JSON's null.
}
CHOICES = {
    "status": ("archived", "published"),
    "program.status": ("archived", "active"),
    "program_enrollment.status": ("enrolled", "canceled"),
    "program_course_enrollment.status": ("active", "inactive"),
    "lms_status": ("active", "inactive"),
    "enrollments_owner": ("here", "lms"),
    "pacing": PACINGS,
    "restriction_type": RESTRICTION_TYPES,
    "source": ASSOCIATION_SOURCES,
    "owner": CONFIGURATION_OWNERS,
    "access_method": ACCESS_METHODS,
    "last_outcome": CRAWL_OUTCOMES,
    "content_metadata.content_type": CONTENT_TYPES,
    "content_metadata.status": CONTENT_STATUSES,
    "price_from": PRICE_SOURCES,
    "state": ("allocated", "errored"),
    "allocated_at_from": ALLOCATED_AT_SOURCES,
    "expired_reason": EXPIRATION_REASONS,
    "partners": ([{"name": None}], []),
    "problems": ([{"field": "end", "raw": ""}], []),
    "content_quantity": (0, -(2**62)),
}
EXPECTED = """
    SELECT coalesce(jsonb_object_agg(key, CASE WHEN key = ANY (CAST(:personal AS text[])) THEN '[]'
                                               ELSE jsonb_build_array(o.value, n.value) END), '{}')::text
    FROM jsonb_each(CAST(:old AS jsonb)) o FULL JOIN jsonb_each(CAST(:new AS jsonb)) n USING (key)
    WHERE coalesce(o.value, 'null') <> coalesce(n.value, 'null')"""


def values(connection: Connection, column: Column[Any]) -> tuple[Any, Any]:
    """Two values that the column may have: a foreign key's are the ids of its parents."""
    for foreign_key in column.foreign_keys:
        target = foreign_key.column
        ids = text(f"SELECT {target.name} FROM {target.table.fullname} ORDER BY id LIMIT 2")
        return tuple(connection.execute(ids).scalars())
    choices = CHOICES.get(f"{column.table.name}.{column.name}") or CHOICES.get(column.name)
    return (choices or VALUES[type(column.type)])[:2]


def states(connection: Connection, table: Table) -> list[dict[str, Any]]:
    """Four rows: all that may be null is; nothing is, twice; every other column is."""
    columns = [column for column in table.columns if column.name not in UNTRACKED_COLUMNS]
    pairs = {column.name: values(connection, column) for column in columns}
    first, second = ({name: pair[n] for name, pair in pairs.items()} for n in (0, 1))
    nulls = {column.name: null() for column in columns if column.nullable}
    half = dict(list(nulls.items())[::2])
    return [first | nulls, first, second, second | half]


def tracked_values(connection: Connection, table: Table, row_id: int) -> str:
    """The row's tracked columns as JSON, with the md5 of long text in its place."""
    hashed = "".join(
        f" || jsonb_build_object('{column}', md5({column}::text))" for column in TRACKED[table.fullname].long_text
    )
    untracked = [*UNTRACKED_COLUMNS, *TRACKED[table.fullname].left_out]
    query = f"SELECT ((to_jsonb(t) - CAST(:untracked AS text[])){hashed})::text FROM {table.fullname} t WHERE id = :id"
    return connection.execute(text(query), {"untracked": untracked, "id": row_id}).scalar_one()


def expected(connection: Connection, table: Table, old: str, new: str) -> str:
    personal = list(TRACKED[table.fullname].personal)
    return connection.execute(text(EXPECTED), {"old": old, "new": new, "personal": personal}).scalar_one()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_event_says_what_differs_between_the_rows_before_and_after(connection: Connection, table: Table) -> None:
    connection.execute(text(PARENTS))
    # Statuses of courses follow a rule of their own, which would write events here.
    connection.execute(text("ALTER TABLE catalog.catalog_course DISABLE TRIGGER settle_insert"))
    connection.execute(text("ALTER TABLE catalog.catalog_course DISABLE TRIGGER settle_update"))
    # Seats follow their mode and their programs' rows, and statuses know since when.
    for following in ("settle_insert", "settle_update"):
        connection.execute(text(f"ALTER TABLE catalog.course_enrollment DISABLE TRIGGER {following}"))
    # What is not in a catalog is missing: the values here are not chosen together.
    connection.execute(
        text("ALTER TABLE catalog.content_metadata DROP CONSTRAINT content_metadata_missing_since_check")
    )
    nothing = "{}"
    wanted = []
    for before, after in product(states(connection, table), repeat=2):
        row_id = connection.execute(table.insert().values(before).returning(table.c.id)).scalar_one()
        old = tracked_values(connection, table, row_id)
        connection.execute(table.update().where(table.c.id == row_id).values(after))
        new = tracked_values(connection, table, row_id)
        connection.execute(table.delete().where(table.c.id == row_id))
        steps = {"created": (nothing, old), "updated": (old, new), "deleted": (new, nothing)}
        wanted += [
            (row_id, action, changes)
            for action, (was, is_now) in steps.items()
            if (changes := expected(connection, table, was, is_now)) != nothing or action != "updated"
        ]
    ids = [row_id for row_id, _, _ in wanted]
    events = text("""
        SELECT entity_id, action, changes::text FROM ops.change_event
        WHERE entity = :entity AND entity_id = ANY(:ids) ORDER BY xid, id""")
    found = connection.execute(events, {"entity": table.name, "ids": ids}).all()
    assert [tuple(event) for event in found] == wanted
    assert {action for _, action, _ in wanted} == {"created", "updated", "deleted"}
