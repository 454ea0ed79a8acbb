"""Triggers that fill in what an INSERT leaves out, from the key: for people who add a row by SQL.

Loads give every column, so that their rows fire none of them. A run gets its course as any other run does: the sensor
`new_runs`, the night or `associations apply` looks for runs without one.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.triggers import execute

PART = "[[:alnum:]_~.:-]+"
OLD_PART = "[[:alnum:]_%.-]+"
RUN_FORMS = (
    f"^course-v1:({PART})[+]({PART})[+]({PART})$",
    f"^ccx-v1:({PART})[+]({PART})[+]({PART})[+]ccx@[0-9]+$",
    f"^({OLD_PART})/({OLD_PART})/({OLD_PART})$",
)
"""The forms in which `rules.course_keys` keeps the keys of runs; each has the parts of the key in groups."""
NAMED_ORGANIZATION = f"FROM catalog.organization o WHERE {folded('o.key')} = {folded('part[1]')}"
NAMED_COURSE = f"FROM catalog.catalog_course c WHERE {folded('c.key')} = " + folded("part[1] || '+' || part[2]")


@dataclass(frozen=True)
class Derived:
    """The columns of a table that follow from its key where an INSERT leaves them out.

    `columns`: SQL by column; `part` is an array of the key's parts. `forms`: regular expressions, the first that fits
    gives the parts. `wrong`: what is said of a key that fits none, and `hint` what to do. `check`: statements that come
    before the columns are filled in.
    """

    table: str
    key: str
    columns: dict[str, str]
    forms: tuple[str, ...]
    wrong: str
    hint: str
    check: str = ""

    @property
    def function(self) -> str:
        """The name of the trigger's function."""
        return f"{self.table}_derived()"


ORGANIZATION = Derived(
    "catalog.organization",
    "key",
    {"name": "NEW.key"},
    (f"^({PART})$",),
    "is not the key of an organization",
    "Write letters, digits and - ~ . : or _, as in edX.",
)
COURSE = Derived(
    "catalog.catalog_course",
    "key",
    {
        "organization_id": f"(SELECT o.id {NAMED_ORGANIZATION})",
        "course_code": "part[2]",
        "title": "part[2]",
    },
    (f"^({PART})[+]({PART})$",),
    "is not the key of a course",
    "Write organization and course with a plus, as in edX+DemoX; each of letters, digits and - ~ . : or _.",
    f"""
    IF NEW.organization_id IS NULL AND NOT EXISTS (SELECT {NAMED_ORGANIZATION}) THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('the course %s needs the organization %s, which the catalog does not have',
                             NEW.key, part[1]),
            HINT = format('Add it first: INSERT INTO catalog.organization (key) VALUES (%L);', part[1]);
    END IF;""",
)
RUN = Derived(
    "catalog.course_run",
    "run_key",
    {
        "key_org": "part[1]",
        "key_course": "part[2]",
        "key_run": "part[3]",
        "title": f"coalesce((SELECT c.title {NAMED_COURSE}), part[2])",
    },
    RUN_FORMS,
    "is not the key of a run",
    "Write it as course-v1:edX+DemoX+2026, with organization, course and run, each of letters, digits and - ~ . : or _;"
    " `catalog-pipeline keys -` says what is wrong with one.",
)
DERIVED = (ORGANIZATION, COURSE, RUN)


def install_derived_columns(connection: Connection) -> None:
    """Make, or make anew, the functions and triggers that fill in what an INSERT leaves out."""
    for derived in DERIVED:
        left_out = " OR ".join(f"NEW.{column} IS NULL" for column in derived.columns)
        statements = [
            _function(derived),
            f"REVOKE EXECUTE ON FUNCTION {derived.function} FROM PUBLIC",
            f"CREATE OR REPLACE TRIGGER derive BEFORE INSERT ON {derived.table} FOR EACH ROW"
            f" WHEN ({left_out}) EXECUTE FUNCTION {derived.function}",
        ]
        execute(connection, statements)


def _function(derived: Derived) -> str:
    key = f"NEW.{derived.key}"
    parts = ", ".join(f"regexp_match({key} COLLATE pg_c_utf8, '{form}')" for form in derived.forms)
    filled = "\n    ".join(
        f"NEW.{column} := coalesce(NEW.{column}, {value});" for column, value in derived.columns.items()
    )
    return f"""\
CREATE OR REPLACE FUNCTION {derived.function} RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text[] := coalesce({parts});
BEGIN
    IF part IS NULL THEN
        RAISE check_violation USING
            MESSAGE = format('%L {derived.wrong}', {key}),
            HINT = '{derived.hint}';
    END IF;{derived.check}
    {filled}
    RETURN NEW;
END $$"""
