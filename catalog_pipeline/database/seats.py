"""Triggers of enrollments: a seat is active as its programs' rows and its mode say, and statuses know since when.

They hold whoever writes, psql included. That one row of a seat at most is active is a unique index.
"""

from sqlalchemy import Connection

from catalog_pipeline.database.triggers import TRANSITIONS, execute
from catalog_pipeline.models.vocabulary import UNPAID_MODES


def seat_is_active(seat: str, has_active: str) -> str:
    """SQL of whether a seat is active: `seat` is its alias, `has_active` SQL of whether a program's row on it is."""
    return f"({has_active} OR {seat}.mode NOT IN {UNPAID_MODES})"


# Plans are made for the rows at hand; see `course_status`.
SETTINGS = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan"
HAS_ACTIVE = (
    "EXISTS (SELECT FROM catalog.program_course_enrollment p WHERE p.course_enrollment_id = c.id"
    " AND p.status = 'active')"
)

SETTLE = f"""\
CREATE OR REPLACE FUNCTION catalog.settle_seats(seats bigint[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    IF cardinality(seats) = 0 THEN RETURN; END IF;
    -- Of two sessions that change rows of one seat, the later one waits here, and then sees the other's change.
    PERFORM 1 FROM catalog.course_enrollment WHERE id = ANY (seats) ORDER BY id FOR NO KEY UPDATE;
    UPDATE catalog.course_enrollment c SET is_active = NOT c.is_active
    WHERE c.id = ANY (seats) AND c.is_active <> {seat_is_active("c", HAS_ACTIVE)};
END $$"""

CHANGED_SEATS = {
    # Its row may have come with it, in the same statement; nobody else can have made one.
    ("course_enrollment", "INSERT"): f"""
    seats := ARRAY(
        SELECT n.id FROM new_rows n
        LEFT JOIN catalog.program_course_enrollment p ON p.course_enrollment_id = n.id AND p.status = 'active'
        WHERE n.is_active <> {seat_is_active("n", "p.id IS NOT NULL")});""",
    ("course_enrollment", "UPDATE"): """
    seats := ARRAY(SELECT n.id FROM new_rows n JOIN old_rows o ON o.id = n.id
                   WHERE (n.is_active, n.mode) IS DISTINCT FROM (o.is_active, o.mode));""",
    ("program_course_enrollment", "INSERT"): """
    seats := ARRAY(SELECT n.course_enrollment_id FROM new_rows n WHERE n.status = 'active');""",
    ("program_course_enrollment", "UPDATE"): """
    seats := ARRAY(
        SELECT unnest(ARRAY[n.course_enrollment_id, o.course_enrollment_id])
        FROM new_rows n JOIN old_rows o ON o.id = n.id
        WHERE (n.status, n.course_enrollment_id) IS DISTINCT FROM (o.status, o.course_enrollment_id));""",
    ("program_course_enrollment", "DELETE"): """
    seats := ARRAY(SELECT o.course_enrollment_id FROM old_rows o WHERE o.status = 'active');""",
}
"""By table and event: SQL that collects the seats whose activity may have changed."""

TAKE_LEARNER = """\
CREATE OR REPLACE FUNCTION catalog.program_course_enrollment_derived() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT e.learner_id INTO NEW.learner_id FROM catalog.program_enrollment e WHERE e.id = NEW.program_enrollment_id;
    RETURN NEW;
END $$"""

SINCE = """\
CREATE OR REPLACE FUNCTION catalog.status_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status_since := now();
    RETURN NEW;
END $$"""


def install_enrollment_triggers(connection: Connection) -> None:
    """Make, or make anew, the triggers and their functions."""
    functions = {"settle_seats(bigint[])": SETTLE, "status_since()": SINCE}
    functions["program_course_enrollment_derived()"] = TAKE_LEARNER
    triggers = [
        "CREATE OR REPLACE TRIGGER derived BEFORE INSERT ON catalog.program_course_enrollment"
        " FOR EACH ROW WHEN (NEW.learner_id IS NULL)"
        " EXECUTE FUNCTION catalog.program_course_enrollment_derived()"
    ]
    for table in ("program_enrollment", "program_course_enrollment"):
        triggers.append(
            f"CREATE OR REPLACE TRIGGER status_since BEFORE UPDATE ON catalog.{table} FOR EACH ROW"
            " WHEN (OLD.status <> NEW.status AND OLD.status_since = NEW.status_since)"
            " EXECUTE FUNCTION catalog.status_since()"
        )
    for (table, event), collect in CHANGED_SEATS.items():
        name = f"{table}_{event.lower()}_settles_seats()"
        functions[name] = f"""\
CREATE OR REPLACE FUNCTION catalog.{name} RETURNS trigger LANGUAGE plpgsql
{SETTINGS} AS $$
DECLARE
    seats bigint[];
BEGIN{collect}
    PERFORM catalog.settle_seats(seats);
    RETURN NULL;
END $$"""
        triggers.append(
            f"CREATE OR REPLACE TRIGGER settle_{event.lower()} AFTER {event} ON catalog.{table}"
            f" REFERENCING {TRANSITIONS[event]} FOR EACH STATEMENT EXECUTE FUNCTION catalog.{name}"
        )
    revoked = [f"REVOKE EXECUTE ON FUNCTION catalog.{name} FROM PUBLIC" for name in functions]
    execute(connection, [*functions.values(), *revoked, *triggers])
