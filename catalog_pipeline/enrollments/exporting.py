"""Exports the enrollments of a program, as `import` reads them: a line a row in a run, or one without."""

import csv
from collections.abc import Iterator
from typing import Any, TextIO
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from catalog_pipeline.enrollments.import_cells import COLUMNS
from catalog_pipeline.enrollments.programs import find_program
from catalog_pipeline.spreadsheets import protected

CHUNK = 10_000
# Where the program knows the learner by no key of its organization, any other such key does, else the user name.
LINES = """
    SELECT p.uuid::text, coalesce(k.external_key, (
               SELECT min(o.external_key) FROM catalog.learner_key o
               WHERE o.learner_id = l.id AND o.organization_id = :organization)),
           e.status, e.curriculum_uuid::text, r.run_key, c.status, c.course_staff, s.mode, l.user_name
    FROM catalog.program_enrollment e
    JOIN catalog.program p ON p.id = e.program_id
    JOIN catalog.learner l ON l.id = e.learner_id
    LEFT JOIN catalog.learner_key k ON k.id = e.learner_key_id AND k.organization_id = :organization
    LEFT JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id
    LEFT JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    LEFT JOIN catalog.course_run r ON r.id = s.course_run_id
    WHERE e.program_id = :program AND l.retired_at IS NULL
    ORDER BY e.id, r.run_key"""


def export_enrollments(connection: Connection, uuid: UUID, file: TextIO, *, as_csv: bool = False) -> None:
    """Write the enrollments of a program as JSON lines or CSV. Raises UsageError where there is no such program.

    Retired learners are left out: nothing brings them back.
    """
    program = find_program(connection, uuid)
    names = {"program": program.id, "organization": program.organization_id}
    found = connection.execution_options(yield_per=CHUNK).execute(text(LINES), names)
    write = _write_csv if as_csv else _write_json_lines
    write(file, (tuple(row) for row in found))


def _write_csv(file: TextIO, lines: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in line] for line in lines)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return protected(value) if isinstance(value, str) else value


def _write_json_lines(file: TextIO, lines: Iterator[tuple[Any, ...]]) -> None:
    for line in lines:
        file.write(orjson.dumps(dict(zip(COLUMNS, line, strict=True))).decode() + "\n")
