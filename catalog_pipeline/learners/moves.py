"""Moves enrollments from one learner to another, when two turn out to be one or a key was linked to the wrong user."""

from sqlalchemy import Connection, text

from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.vocabulary import UNPAID_MODES

OF_ONE_LEARNER = ", ".join(
    f"catalog.{name}_fkey"
    for name in (
        "program_enrollment_learner_id_learner_key_id",
        "program_course_enrollment_program_enrollment_id",
        "program_course_enrollment_course_enrollment_id",
    )
)
"""The constraints that hold an enrollment's rows to one learner: a move checks them at its end."""

CREATE = """
    CREATE TEMP TABLE IF NOT EXISTS link_deactivated (
        row bigint, program_course_enrollment_id bigint, kept_program_id bigint) ON COMMIT DROP"""

CONTESTED = """
    INSERT INTO link_deactivated (row, program_course_enrollment_id, kept_program_id)
    SELECT row, CASE WHEN stays THEN coming_id ELSE there_id END,
           CASE WHEN stays THEN there_program ELSE coming_program END
    FROM (
        SELECT c.row, x.id AS coming_id, y.id AS there_id, p.id AS coming_program, q.id AS there_program,
               (y.status_since, q.uuid, f.curriculum_uuid) < (x.status_since, p.uuid, e.curriculum_uuid) AS stays
        FROM link_coming c
        JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
        JOIN catalog.program p ON p.id = e.program_id
        JOIN catalog.program_course_enrollment x ON x.program_enrollment_id = e.id AND x.status = 'active'
        JOIN catalog.course_enrollment s ON s.id = x.course_enrollment_id
        JOIN catalog.course_enrollment t ON t.learner_id = c.to_learner AND t.course_run_id = s.course_run_id
        JOIN catalog.program_course_enrollment y ON y.course_enrollment_id = t.id AND y.status = 'active'
        JOIN catalog.program_enrollment f ON f.id = y.program_enrollment_id
        JOIN catalog.program q ON q.id = f.program_id) AS pair"""
"""Of two rows that hold one run: the one active earlier stays (`stays`: it is the one that is there already)."""

DEACTIVATE = """
    UPDATE catalog.program_course_enrollment x SET status = 'inactive' FROM link_deactivated d
    WHERE x.id = d.program_course_enrollment_id AND x.status = 'active'"""

MOVE_CONFLICTS = """
    UPDATE ops.enrollment_conflict o SET learner_id = c.to_learner
    FROM link_coming c JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
    WHERE (o.learner_id, o.program_id, o.curriculum_uuid) = (e.learner_id, e.program_id, e.curriculum_uuid)"""

NEW_SEATS = """
    INSERT INTO catalog.course_enrollment (learner_id, course_run_id)
    SELECT DISTINCT c.to_learner, s.course_run_id
    FROM link_coming c
    JOIN link_ready r ON r.row = c.row AND r.kind = 'transferred'
    JOIN catalog.program_course_enrollment x ON x.program_enrollment_id = c.program_enrollment_id
    JOIN catalog.course_enrollment s ON s.id = x.course_enrollment_id
    ON CONFLICT (learner_id, course_run_id) DO NOTHING"""

LEFT_SEATS = """
    CREATE TEMP TABLE link_left ON COMMIT DROP AS
    SELECT DISTINCT s.id FROM link_coming c
    JOIN link_ready r ON r.row = c.row AND r.kind = 'transferred'
    JOIN catalog.program_course_enrollment x ON x.program_enrollment_id = c.program_enrollment_id
    JOIN catalog.course_enrollment s ON s.id = x.course_enrollment_id"""
"""The seats that a transfer takes rows from."""

MOVES = {
    "catalog.learner_key": """
        UPDATE catalog.learner_key k SET learner_id = r.named FROM link_ready r
        WHERE r.kind = 'merged' AND k.learner_id = r.holder OR r.kind = 'transferred' AND k.id = r.key_id""",
    "catalog.program_enrollment": """
        UPDATE catalog.program_enrollment e SET learner_id = c.to_learner FROM link_coming c
        WHERE e.id = c.program_enrollment_id""",
    "catalog.course_enrollment": """
        UPDATE catalog.course_enrollment s SET learner_id = r.named FROM link_ready r
        WHERE r.kind = 'merged' AND s.learner_id = r.holder AND NOT EXISTS (
            SELECT FROM catalog.course_enrollment t
            WHERE t.learner_id = r.named AND t.course_run_id = s.course_run_id)""",
    "catalog.program_course_enrollment": """
        UPDATE catalog.program_course_enrollment x SET learner_id = c.to_learner, course_enrollment_id = t.id
        FROM link_coming c, catalog.course_enrollment s, catalog.course_enrollment t
        WHERE x.program_enrollment_id = c.program_enrollment_id AND s.id = x.course_enrollment_id
          AND t.learner_id = c.to_learner AND t.course_run_id = s.course_run_id""",
}
"""What changes its learner. A merged learner's seats go along where the user has none in the run."""

KEEP_PAID_MODES = f"""
    UPDATE catalog.course_enrollment t SET mode = s.mode
    FROM link_ready r JOIN catalog.course_enrollment s ON s.learner_id = r.holder
    WHERE r.kind = 'merged' AND t.learner_id = r.named AND t.course_run_id = s.course_run_id
      AND s.mode NOT IN {UNPAID_MODES} AND t.mode IN {UNPAID_MODES}"""

# Of a transfer only what was a seat for the program's sake: the learner who had it may have another of his own.
EMPTIED_SEATS = """
    DELETE FROM catalog.course_enrollment s
    WHERE s.learner_id IN (SELECT holder FROM link_ready WHERE kind = 'merged')
       OR s.id IN (SELECT id FROM link_left) AND s.mode = 'masters'
          AND NOT EXISTS (SELECT FROM catalog.program_course_enrollment x WHERE x.course_enrollment_id = s.id)"""
MERGED_LEARNERS = """
    DELETE FROM catalog.learner l USING link_ready r WHERE r.kind = 'merged' AND l.id = r.holder"""


def create_move_tables(connection: Connection) -> None:
    """Make `link_deactivated` (row, program_course_enrollment_id, kept_program_id), where it is not there yet."""
    connection.execute(text(CREATE))


def move(publication: Publication) -> None:
    """Move the program enrollments of `link_coming` (row, program_enrollment_id, to_learner) with their rows.

    `link_ready` has the link of each row: kind (merged: the learner `holder` becomes the learner `named`; transferred:
    the key `key_id` of `holder` becomes one of `named`; others do not matter). No two touch the same learner, and no
    one has two enrollments for one program and curriculum. Where both hold a run, one becomes inactive.
    """
    if not publication.scalar("SELECT EXISTS (SELECT FROM link_ready WHERE kind IN ('merged', 'transferred'))"):
        return
    publication.execute(CONTESTED)
    publication.count("catalog.program_course_enrollment", {"updated": publication.execute(DEACTIVATE)})
    publication.execute(MOVE_CONFLICTS)
    publication.execute("DROP TABLE IF EXISTS link_left")
    publication.execute(LEFT_SEATS)
    publication.count("catalog.course_enrollment", {"created": publication.execute(NEW_SEATS)})
    publication.execute(f"SET CONSTRAINTS {OF_ONE_LEARNER} DEFERRED")
    for table, statement in MOVES.items():
        publication.count(table, {"updated": publication.execute(statement)})
    publication.execute(f"SET CONSTRAINTS {OF_ONE_LEARNER} IMMEDIATE")
    publication.execute(KEEP_PAID_MODES)
    publication.count("catalog.course_enrollment", {"deleted": publication.execute(EMPTIED_SEATS)})
    publication.count("catalog.learner", {"deleted": publication.execute(MERGED_LEARNERS)})
