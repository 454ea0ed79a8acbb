"""Links the keys of learners to user names, as a file says: each line whole, or not at all."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.learners.linking import OUTCOMES, STAGING, link
from catalog_pipeline.learners.texts import BAD_KEY, BAD_USER_NAME, keys, user_names
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.schemas.parsing import parse_text
from catalog_pipeline.sources.documents import seldom_collected
from catalog_pipeline.sources.record_files import RecordFile, read_records

COLUMNS = ("external_key", "user_name")
MESSAGES = {
    "bad_key": BAD_KEY,
    "bad_user_name": BAD_USER_NAME,
    "unknown_organization": "There is no such organization.",
    "unknown_key": "No learner of the organization has this key. With --create it is noted.",
    "repeated": "The file links the key to several users.",
    "two_keys_in_program": "Two keys of one learner would be enrolled in one curriculum of a program.",
    "retired": "The key or the user was retired.",
    "conflict": "The key and the user both hold a run, and --strict lets none of them go.",
}
TEXTS = {"row": "bigint", "external_key": "text", "user_name": "text", "organization": "text"}
STAGE = f"""
    INSERT INTO link_row (row, organization_id, external_key, user_name)
    SELECT t.row, CASE WHEN t.organization IS NULL THEN :default ELSE o.id END, t.external_key, t.user_name
    FROM link_text t LEFT JOIN catalog.organization o ON {folded("o.key")} = {folded("t.organization")}"""
OUTCOME = """
    SELECT o.row, o.outcome, o.reason, o.merged_from,
           -- A dry run forgets the learners whom it makes.
           CASE WHEN NOT :dry_run OR l.created_at < now() THEN o.learner_id END AS learner_id
    FROM link_outcome o LEFT JOIN catalog.learner l ON l.id = o.learner_id ORDER BY o.row"""
DEACTIVATED = """
    SELECT d.row, p.uuid::text AS program, r.run_key AS run, q.uuid::text AS kept_program
    FROM link_deactivated d
    JOIN catalog.program_course_enrollment x ON x.id = d.program_course_enrollment_id
    JOIN catalog.program_enrollment e ON e.id = x.program_enrollment_id
    JOIN catalog.program p ON p.id = e.program_id
    JOIN catalog.course_enrollment s ON s.id = x.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id
    JOIN catalog.program q ON q.id = d.kept_program_id
    ORDER BY d.row, p.uuid, r.run_key"""


@dataclass(frozen=True)
class LinkOptions:
    """How a file is to be linked.

    `organization`: the key of the one whose keys a line means that names none. `strict`: no two learners become one who
    both hold a run. `create`: a key that nobody has is noted.
    """

    organization: str | None = None
    strict: bool = False
    create: bool = False


@dataclass(frozen=True)
class LinkReport:
    """What became of each line: row, outcome, reason, message, learner_id, merged_from, deactivated."""

    dry_run: bool
    rows: list[Row]

    @property
    def counts(self) -> dict[str, int]:
        """The number of lines, in all and by outcome."""
        found = Counter(row["outcome"] for row in self.rows)
        return {"rows": len(self.rows), **{outcome: found[outcome] for outcome in OUTCOMES}}

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: whether lines were rejected."""
        return ExitCode.SOME_ROWS_LEFT if self.counts["rejected"] else ExitCode.DONE

    def as_json(self) -> Row:
        """The report as JSON has it."""
        return {"dry_run": self.dry_run, "counts": self.counts, "rows": self.rows}


def link_file(engine: Engine, file: Path, options: LinkOptions, asked: Asked) -> LinkReport:
    """Link the keys of a file of CSV or JSON lines to the user names beside them. Raises UsageError.

    Where two learners become one who hold a run both, the row that was active earlier stays active.
    """
    with seldom_collected():
        records = read_records(file, COLUMNS)
        found = writing(engine, "link", asked, lambda load: _link(load, records, options, asked))
    return LinkReport(asked.dry_run, found)


def _link(publication: Publication, records: RecordFile, options: LinkOptions, asked: Asked) -> list[Row]:
    connection = publication.connection
    default = organization_id(connection, options.organization) if options.organization is not None else None
    frame, rejected = _judge(records, has_default=default is not None)
    create_staging(connection, "link_row", STAGING)
    create_staging(connection, "link_text", TEXTS)
    copy_frame(connection, "link_text", frame)
    connection.execute(text(STAGE), {"default": default})
    analyze(connection, "link_row")
    link(publication, asked.secret, create=options.create, strict=options.strict)
    told = {number: _rejection(number, *why) for number, why in rejected.items()}
    for row in rows(connection, OUTCOME, dry_run=asked.dry_run):
        told[row["row"]] = _told(row)
    for row in rows(connection, DEACTIVATED):
        told[row.pop("row")]["deactivated"].append(row)
    publication.count("catalog.learner_key", {"rejected": sum(row["outcome"] == "rejected" for row in told.values())})
    return [told[number] for number in sorted(told)]


def organization_id(connection: Connection, key: str) -> int:
    """The id of the organization of a key. Raises UsageError."""
    found = rows(connection, f"SELECT id FROM catalog.organization WHERE {folded('key')} = {WANTED}", key=key)
    if not found:
        raise UsageError(f"There is no organization {key.strip()}.")
    return found[0]["id"]


def _judge(records: RecordFile, *, has_default: bool) -> tuple[pd.DataFrame, dict[int, tuple[str, str]]]:
    """The lines that can be looked up (`TEXTS`), and reason and message of the others by line."""
    documents = records.documents.values()
    key, name, organization = (
        parse([document.get(column) for document in documents])
        for column, parse in (("external_key", keys), ("user_name", user_names), ("organization", parse_text))
    )
    frame = pd.DataFrame(
        {
            "row": pd.Series(list(records.documents), dtype="int64"),
            "external_key": key.values,
            "user_name": name.values,
            "organization": organization.values.str.strip(),
        }
    )
    absent = {
        "external_key": key.values.isna() & ~key.bad,
        "user_name": name.values.isna() & ~name.bad,
        "organization": frame["organization"].isna() & ~organization.bad & (not has_default),
    }
    wrong: list[tuple[Any, str, str]] = [
        *((mask, "missing", f"{column} is missing.") for column, mask in absent.items()),
        (key.bad, "bad_key", BAD_KEY),
        (name.bad, "bad_user_name", BAD_USER_NAME),
        (organization.bad, "unknown_organization", MESSAGES["unknown_organization"]),
    ]
    rejected = {number: ("missing", why) for number, why in records.misfits.items()}
    for mask, reason, message in wrong:
        for number in frame["row"][mask]:
            rejected.setdefault(number, (reason, message))
    return frame.loc[~frame["row"].isin(list(rejected))], rejected


def _rejection(number: int, reason: str, message: str) -> Row:
    return _told({"row": number, "outcome": "rejected", "reason": reason}, message)


def _told(row: Row, message: str | None = None) -> Row:
    return {
        "row": row["row"],
        "outcome": row["outcome"],
        "reason": row["reason"],
        "message": message or MESSAGES.get(row["reason"]),
        "learner_id": row.get("learner_id"),
        "merged_from": row.get("merged_from"),
        "deactivated": [],
    }
