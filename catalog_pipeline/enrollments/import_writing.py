"""Writes what an import made of the enrollments: one statement a table for what is new, and one for what changed."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from catalog_pipeline.database.bulk import analyze, copy_rows, create_staging
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.vocabulary import UNPAID_MODES
from catalog_pipeline.rules.enrollment_import import Line, Standing, Wrong

NUMBER, TEXT = "bigint", "text"
TABLES = {
    "import_learner": {"number": NUMBER, "row": NUMBER, "learner_id": NUMBER, "key_id": NUMBER},
    "import_enrollment": {
        "number": NUMBER,
        "id": NUMBER,
        "learner": NUMBER,
        "learner_id": NUMBER,
        "key_id": NUMBER,
        "program_id": NUMBER,
        "curriculum_uuid": TEXT,
        "status": TEXT,
        "is_new": "boolean",
    },
    "import_seat": {
        "number": NUMBER,
        "id": NUMBER,
        "learner": NUMBER,
        "learner_id": NUMBER,
        "run_id": NUMBER,
        "mode": TEXT,
        "is_active": "boolean",
        "is_new": "boolean",
    },
    "import_course_row": {
        "id": NUMBER,
        "enrollment": NUMBER,
        "seat": NUMBER,
        "status": TEXT,
        "course_staff": "boolean",
    },
}
"""The staging tables. `number` stands for a row that has no id yet; `learner`, `enrollment` and `seat` refer to it."""

LEARNERS = (
    """
    UPDATE import_learner SET learner_id = nextval(pg_get_serial_sequence('catalog.learner', 'id')),
                              key_id = nextval(pg_get_serial_sequence('catalog.learner_key', 'id'))""",
    "UPDATE import_enrollment e SET learner_id = l.learner_id, key_id = l.key_id"
    " FROM import_learner l WHERE l.number = e.learner",
    "UPDATE import_seat s SET learner_id = l.learner_id FROM import_learner l WHERE l.number = s.learner",
    """
    UPDATE import_enrollment e SET key_id = NULL FROM import_learner l JOIN import_found f USING (row)
    WHERE l.number = e.learner AND f.key IS NULL""",
    """
    UPDATE import_enrollment SET id = nextval(pg_get_serial_sequence('catalog.program_enrollment', 'id'))
    WHERE is_new""",
    "UPDATE import_seat SET id = nextval(pg_get_serial_sequence('catalog.course_enrollment', 'id')) WHERE is_new",
)
NEW_LEARNERS = """
    INSERT INTO catalog.learner (id, user_name) OVERRIDING SYSTEM VALUE
    SELECT l.learner_id, CASE WHEN f.key IS NULL THEN f.user_name END
    FROM import_learner l JOIN import_found f USING (row)"""
NEW_KEYS = """
    INSERT INTO catalog.learner_key (id, learner_id, organization_id, external_key) OVERRIDING SYSTEM VALUE
    SELECT l.key_id, l.learner_id, f.organization_id, f.student_key
    FROM import_learner l JOIN import_found f USING (row) WHERE f.key IS NOT NULL"""
NEW_ENROLLMENTS = """
    INSERT INTO catalog.program_enrollment (id, learner_id, learner_key_id, program_id, curriculum_uuid, status)
    OVERRIDING SYSTEM VALUE
    SELECT id, learner_id, key_id, program_id, curriculum_uuid::uuid, status FROM import_enrollment WHERE is_new"""
CHANGED_ENROLLMENTS = """
    UPDATE catalog.program_enrollment e SET status = i.status FROM import_enrollment i
    WHERE e.id = i.id AND NOT i.is_new AND e.status <> i.status"""
CHANGED_ROWS = """
    UPDATE catalog.program_course_enrollment c SET status = i.status, course_staff = i.course_staff
    FROM import_course_row i
    WHERE c.id = i.id AND (c.status, c.course_staff) <> (i.status, i.course_staff)
      AND (i.status = 'inactive') = :inactive"""
CHANGED_SEATS = """
    UPDATE catalog.course_enrollment s SET mode = i.mode FROM import_seat i
    WHERE s.id = i.id AND NOT i.is_new AND s.mode <> i.mode"""
# In one statement, so that no seat is seen active without its row: a trigger would put that right, at a price.
NEW_SEATS_AND_ROWS = f"""
    WITH made AS (
        INSERT INTO catalog.course_enrollment (id, learner_id, course_run_id, mode, is_active) OVERRIDING SYSTEM VALUE
        SELECT id, learner_id, run_id, mode, is_active OR mode NOT IN {UNPAID_MODES} FROM import_seat WHERE is_new
        RETURNING 1),
    added AS (
        INSERT INTO catalog.program_course_enrollment
            (learner_id, program_enrollment_id, course_enrollment_id, status, course_staff)
        SELECT e.learner_id, e.id, s.id, i.status, i.course_staff FROM import_course_row i
        JOIN import_enrollment e ON e.number = i.enrollment JOIN import_seat s ON s.number = i.seat
        WHERE i.id IS NULL
        RETURNING 1)
    SELECT (SELECT count(*) FROM made) AS seats, (SELECT count(*) FROM added) AS rows"""


@dataclass
class _Staged:
    """The rows of the staging tables."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {table: [] for table in TABLES})
    learners: dict[Hashable, int] = field(default_factory=dict)

    def learner(self, learner: Hashable, lines: Mapping[Hashable, int]) -> tuple[int | None, int | None]:
        """The number of a new learner, or the id of one who is there. `lines`: the line that first names each."""
        if isinstance(learner, int):
            return None, learner
        if learner not in self.learners:
            self.learners[learner] = len(self.learners)
            self.rows["import_learner"].append((self.learners[learner], lines[learner], None, None))
        return self.learners[learner], None


def write_standing(
    publication: Publication, standing: Standing, lines: Sequence[Line], verdicts: Mapping[int, str | Wrong]
) -> None:
    """Write what `standing` has come to by the lines that were applied."""
    applied = [line for line in lines if not isinstance(verdicts[line.row], Wrong)]
    _stage(publication.connection, _staged(standing, applied))
    for statement in LEARNERS:
        publication.execute(statement)
    writes = (
        ("catalog.learner", "created", NEW_LEARNERS, {}),
        ("catalog.learner_key", "created", NEW_KEYS, {}),
        ("catalog.program_enrollment", "created", NEW_ENROLLMENTS, {}),
        ("catalog.program_enrollment", "updated", CHANGED_ENROLLMENTS, {}),
        # A seat is given up before another row takes it.
        ("catalog.program_course_enrollment", "updated", CHANGED_ROWS, {"inactive": True}),
        ("catalog.program_course_enrollment", "updated", CHANGED_ROWS, {"inactive": False}),
        ("catalog.course_enrollment", "updated", CHANGED_SEATS, {}),
    )
    for table, outcome, statement, parameters in writes:
        publication.count(table, {outcome: publication.execute(statement, **parameters)})
    seats, added = publication.connection.exec_driver_sql(NEW_SEATS_AND_ROWS).one()
    publication.count("catalog.course_enrollment", {"created": seats})
    publication.count("catalog.program_course_enrollment", {"created": added})
    unchanged = sum(verdicts[line.row] == "unchanged" for line in applied)
    publication.count("catalog.program_enrollment", {"unchanged": unchanged})


def _staged(standing: Standing, applied: Sequence[Line]) -> _Staged:
    """Number what the lines touched, and make the rows of the staging tables out of it."""
    staged = _Staged()
    first: dict[Hashable, int] = {}
    for line in applied:
        first.setdefault(line.learner, line.row)
    seats = {place: number for number, place in enumerate(dict.fromkeys((one.learner, one.run) for one in applied))}
    for (learner, run), number in seats.items():
        if run is None:
            continue
        seat = standing.seats[learner, run]
        who = staged.learner(learner, first)
        staged.rows["import_seat"].append(
            (number, seat.id, *who, run, seat.mode, seat.holder is not None, seat.id is None)
        )
    places = dict.fromkeys((one.learner, one.program.id) for one in applied)
    enrollments = [one for place in places for one in standing.enrollments[place]]
    for number, one in enumerate(enrollments):
        new, known = staged.learner(one.learner, first)
        key = one.key if isinstance(one.key, int) else None
        staged.rows["import_enrollment"].append(
            (number, one.id, new, known, key, one.program, one.curriculum, one.status, one.id is None)
        )
        for run, row in one.rows.items():
            if row.id is None or row.changed:
                seat_number = seats.get((one.learner, run))
                staged.rows["import_course_row"].append((row.id, number, seat_number, row.status, row.course_staff))
    return staged


def _stage(connection: Connection, staged: _Staged) -> None:
    for table, columns in TABLES.items():
        create_staging(connection, table, columns)
        copy_rows(connection, table, columns, staged.rows[table])
    analyze(connection, *TABLES)
