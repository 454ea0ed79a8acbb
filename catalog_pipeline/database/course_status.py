"""The rule of a course's status, and the triggers that keep every course's status as the rule says.

It depends only on the course and its runs, never on the time. Nobody else writes it: loads, people and psql change
courses, runs and associations, and the triggers do the rest at the end of each statement.
"""

from sqlalchemy import Connection

from catalog_pipeline.database.triggers import TRANSITIONS, execute


def course_status(course: str, published: str) -> str:
    """SQL of a course's status. `course` is the alias of its row, `published` SQL of whether some run is published."""
    return (
        f"CASE WHEN {course}.product_status = 'archived' OR {course}.missing_since IS NOT NULL"
        f" OR {course}.dropped_since IS NOT NULL THEN 'archived'"
        f" WHEN {published} THEN 'published' ELSE 'draft' END"
    )


PUBLISHED = "coalesce(bool_or(r.status = 'published'), false)"

# Plans are made for the rows at hand: one that was cached while the tables were small would go through the whole tables
# for each row when they are large.
SETTINGS = "SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan"

SETTLE = f"""\
CREATE OR REPLACE FUNCTION catalog.settle_course_statuses(courses bigint[]) RETURNS void LANGUAGE plpgsql
{SETTINGS} AS $$
BEGIN
    IF cardinality(courses) = 0 THEN RETURN; END IF;
    -- Of two sessions that change runs of one course, the later one waits here, and then sees the other's change.
    PERFORM 1 FROM catalog.catalog_course WHERE id = ANY (courses) ORDER BY id FOR NO KEY UPDATE;
    UPDATE catalog.catalog_course c SET status = s.status
    FROM (SELECT c.id, {course_status("c", PUBLISHED)} AS status
          FROM catalog.catalog_course c
          LEFT JOIN catalog.run_association a ON a.catalog_course_id = c.id
          LEFT JOIN catalog.course_run r ON r.id = a.course_run_id
          WHERE c.id = ANY (courses) GROUP BY c.id) s
    WHERE s.id = c.id AND c.status <> s.status;
END $$"""


def _rows_that_differ(columns: str, new: str = "new_rows", old: str = "old_rows") -> str:
    return f"(SELECT {columns} FROM {new} EXCEPT SELECT {columns} FROM {old})"


DECIDING = "id, status, product_status, missing_since, dropped_since"
LINK = "course_run_id, catalog_course_id"
WAIT_FOR_RUNS = """
    -- Another session may be publishing a run, and does not see that it belongs to the course.
    PERFORM 1 FROM catalog.course_run WHERE id = ANY (runs) ORDER BY id FOR SHARE;"""

CHANGED_COURSES = {
    # A course that is being made has no runs yet.
    ("catalog_course", "INSERT"): f"""
    courses := ARRAY(SELECT n.id FROM new_rows n WHERE n.status <> {course_status("n", "false")});""",
    ("catalog_course", "UPDATE"): f"""
    courses := ARRAY(SELECT id FROM {_rows_that_differ(DECIDING)} AS n);""",
    ("course_run", "UPDATE"): f"""
    runs := ARRAY(SELECT id FROM {_rows_that_differ("id, status = 'published'")} AS n);
    courses := ARRAY(
        SELECT DISTINCT catalog_course_id FROM catalog.run_association WHERE course_run_id = ANY (runs));""",
    ("run_association", "INSERT"): f"""
    courses := ARRAY(SELECT DISTINCT catalog_course_id FROM new_rows);
    runs := ARRAY(SELECT course_run_id FROM new_rows);{WAIT_FOR_RUNS}""",
    ("run_association", "UPDATE"): f"""
    courses := ARRAY(SELECT catalog_course_id FROM {_rows_that_differ(LINK)} AS n
                     UNION SELECT catalog_course_id FROM {_rows_that_differ(LINK, "old_rows", "new_rows")} AS o);
    runs := ARRAY(SELECT course_run_id FROM {_rows_that_differ(LINK)} AS n);{WAIT_FOR_RUNS}""",
    ("run_association", "DELETE"): """
    courses := ARRAY(SELECT DISTINCT catalog_course_id FROM old_rows);""",
}
"""By table and statement: how the courses are found whose status may be another one now.

A run that is being made has no course, and one that is deleted takes its association along.
"""


def install_course_status(connection: Connection) -> None:
    """Make, or make anew, the functions and triggers that keep the statuses of courses."""
    statements = [SETTLE, _owner_only("catalog.settle_course_statuses(bigint[])")]
    for table, event in CHANGED_COURSES:
        function = f"catalog.{table}_{event.lower()}_settles()"
        statements += [_function(function, CHANGED_COURSES[table, event]), _owner_only(function)]
        # After the triggers of the history, by its name: the row is made first, then its course gets its status.
        statements.append(
            f"CREATE OR REPLACE TRIGGER settle_{event.lower()} AFTER {event} ON catalog.{table}"
            f" REFERENCING {TRANSITIONS[event]} FOR EACH STATEMENT EXECUTE FUNCTION {function}"
        )
    execute(connection, statements)


def _owner_only(function: str) -> str:
    return f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"


def _function(function: str, changed_courses: str) -> str:
    return f"""\
CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER {SETTINGS} AS $$
DECLARE
    courses bigint[];
    runs bigint[];
BEGIN{changed_courses}
    PERFORM catalog.settle_course_statuses(courses);
    RETURN NULL;
END $$"""
