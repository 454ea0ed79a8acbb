"""Rows that a person adds by SQL: what is left out follows from the key, and a wrong key is refused with a hint."""

import re
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from support.command import Command

from catalog_pipeline.associations.planning import associate
from catalog_pipeline.database.derived import RUN_FORMS
from catalog_pipeline.database.engine import connected, driver
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.rules.course_keys import parse_keys

PAGE = (Path(__file__).parents[2] / "docs" / "data-engineer.md").read_text()
STATEMENTS = "".join(
    re.findall(r"```sql\n(.*?)```", PAGE.split("<!-- by sql -->")[1].split("<!-- end -->")[0], re.DOTALL)
)
REFUSED = psycopg.errors.CheckViolation


def write(connection: Connection, statement: str) -> None:
    driver(connection).execute(statement.encode())


def the_run(connection: Connection, key: str) -> Row:
    (found,) = rows(connection, "SELECT * FROM catalog.course_run WHERE run_key = :key", key=key)
    return found


def test_a_run_needs_only_its_key(connection: Connection) -> None:
    write(connection, "INSERT INTO catalog.course_run (run_key) VALUES ('course-v1:edX+DemoX+2026'), ('edX/Old/2012')")
    made = the_run(connection, "course-v1:edX+DemoX+2026")
    assert [made[name] for name in ("key_org", "key_course", "key_run")] == ["edX", "DemoX", "2026"]
    assert (made["title"], made["status"]) == ("DemoX", "unpublished")
    assert the_run(connection, "edX/Old/2012")["key_run"] == "2012"


def test_what_is_given_is_kept(connection: Connection) -> None:
    write(
        connection,
        "INSERT INTO catalog.course_run (run_key, key_run, title, status)"
        " VALUES ('course-v1:edX+DemoX+2026', 'other', 'Mine', 'reviewed')",
    )
    made = the_run(connection, "course-v1:edX+DemoX+2026")
    assert (made["key_org"], made["key_run"], made["title"], made["status"]) == ("edX", "other", "Mine", "reviewed")


@pytest.mark.parametrize(
    ("statement", "said", "hint"),
    [
        (
            "course_run (run_key) VALUES ('edX+DemoX')",
            "'edX+DemoX' is not the key of a run",
            "Write it as course-v1:",
        ),
        ("course_run (run_key) VALUES ('course-v1:edX+De moX+1')", "is not the key of a run", "keys -"),
        ("course_run (title) VALUES ('No key')", "NULL is not the key of a run", "Write it"),
        ("catalog_course (key) VALUES ('DemoX')", "'DemoX' is not the key of a course", "edX[+]DemoX"),
        ("organization (key) VALUES ('edX+DemoX')", "is not the key of an organization", "as in edX"),
    ],
)
def test_a_wrong_key_is_refused_with_what_to_do(connection: Connection, statement: str, said: str, hint: str) -> None:
    with pytest.raises(REFUSED, match=re.escape(said)) as refused:
        write(connection, f"INSERT INTO catalog.{statement}")
    assert re.search(hint, refused.value.diag.message_hint or "")


def test_a_course_without_its_organization_says_how_to_add_it(connection: Connection) -> None:
    statement = b"INSERT INTO catalog.catalog_course (key) VALUES ('edX+DemoX')"
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused, driver(connection).transaction():
        driver(connection).execute(statement)
    hint = refused.value.diag.message_hint or ""
    write(connection, hint.removeprefix("Add it first: "))
    write(connection, "INSERT INTO catalog.catalog_course (key) VALUES ('EDX+DemoX')")
    (made,) = rows(
        connection,
        "SELECT o.key AS organization, o.name, c.course_code, c.title, c.status FROM catalog.catalog_course c"
        " JOIN catalog.organization o ON o.id = c.organization_id",
    )
    assert made == {"organization": "edX", "name": "edX", "course_code": "DemoX", "title": "DemoX", "status": "draft"}


def test_the_statements_of_the_docs_run_as_a_writer_and_each_run_gets_its_course(engine: Engine) -> None:
    with connected(engine) as connection:
        write(connection, f"SET LOCAL ROLE catalog_writer; {STATEMENTS}")
    associate(engine)
    with connected(engine) as connection:
        found = rows(
            connection,
            "SELECT r.run_key, r.title, c.key, c.status, a.source, a.reason FROM catalog.course_run r"
            " JOIN catalog.run_association a ON a.course_run_id = r.id"
            " JOIN catalog.catalog_course c ON c.id = a.catalog_course_id ORDER BY 1",
        )
        events = rows(connection, "SELECT DISTINCT actor FROM ops.change_event WHERE entity = 'organization'")
    assert [tuple(row.values()) for row in found] == [
        ("course-v1:DemoX+B101+2026", "Basics, again", "DemoX+Basics", "published", "manual", "Set by SQL."),
        (
            *("course-v1:DemoX+Basics+2026", "The basics", "DemoX+Basics", "published", "key"),
            "The run's key names this course.",
        ),
    ]
    assert [row["actor"] for row in events] == ["sql:postgres"]


def test_psql_shows_the_hint(command: Command) -> None:
    insert = "INSERT INTO catalog.course_run (run_key) VALUES ('DemoX')"
    said = command("psql", "-c", insert, status=1).stderr
    assert "ERROR:  'DemoX' is not the key of a run" in said
    assert "HINT:  Write it as course-v1:edX+DemoX+2026" in said


PARTS = st.text("aZ9éЖ中_~.:-+/@ %\t'", max_size=4)
PREFIXES, SEPARATORS = st.sampled_from(["course-v1:", "ccx-v1:", "slashes:", ""]), st.sampled_from("+/")
KEYS = st.one_of(
    st.builds("{}{}{}{}{}{}".format, PREFIXES, PARTS, SEPARATORS, PARTS, SEPARATORS, PARTS),
    st.builds("ccx-v1:{}+{}+{}+ccx@{}".format, PARTS, PARTS, PARTS, st.integers(0, 9)),
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(KEYS, min_size=1, max_size=20))
def test_sql_takes_the_keys_that_the_rules_keep_with_their_parts(connection: Connection, keys: list[str]) -> None:
    forms = ", ".join(f"regexp_match(key COLLATE pg_c_utf8, '{form}')" for form in RUN_FORMS).replace("%", "%%")
    found = driver(connection).execute(
        f"SELECT coalesce({forms}) FROM unnest(%s::text[]) WITH ORDINALITY AS k (key, n) ORDER BY n".encode(), [keys]
    )
    parsed = parse_keys(pd.Series(keys, dtype="str"))
    kept = parsed["stored"].eq(pd.Series(keys, dtype="str")).fillna(False)
    parts = parsed[["org", "course", "run"]].to_numpy().tolist()
    expected = [three if stays else None for three, stays in zip(parts, kept, strict=True)]
    assert [three for (three,) in found.fetchall()] == expected
