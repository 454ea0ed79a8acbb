"""Reads what the LMS lists of a program's enrollments, and lands it as one document."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.bulk import copy_rows
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.learners.documents import hide_retired
from catalog_pipeline.learners.retirement import retirement_secret
from catalog_pipeline.loading.landing import STAGING, Crawl, merge_documents, record_crawl
from catalog_pipeline.loading.publication import ENROLLMENT_LOCK
from catalog_pipeline.loading.upstream import record_address
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import compress, content_hash, encode
from catalog_pipeline.sources.enrollments import SERVICE, SOURCE, path_of, read_rows
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.listing import Listing, Page

KIND = "enrollments"
PROGRAMS = """
    SELECT p.id, p.uuid::text AS uuid, p.title, p.enrollments_owner AS owner, p.missing_since IS NULL AS is_listed,
           p.enrollments_adopted_at IS NOT NULL AS is_adopted, lower(trim(p.type)) = ANY(:types) AS is_of_type,
           (SELECT o.organization_id FROM catalog.program_organization o WHERE o.program_id = p.id
            ORDER BY o.position LIMIT 1) AS organization_id
    FROM catalog.program p
    WHERE CASE WHEN cardinality(CAST(:uuids AS uuid[])) > 0 THEN p.uuid = ANY(:uuids) ELSE
               p.missing_since IS NULL AND p.enrollments_adopted_at IS NULL AND lower(trim(p.type)) = ANY(:types) END
    ORDER BY p.uuid"""
RUNS = """
    SELECT r.run_key FROM catalog.program_run r WHERE r.program_id = :program
    UNION
    SELECT r.run_key FROM catalog.program_enrollment e
    JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id WHERE e.program_id = :program
    ORDER BY 1"""


@dataclass(frozen=True)
class LmsProgram:
    """A program whose enrollments are read. `organization_id`: its first authoring organization."""

    id: int
    uuid: str
    title: str
    organization_id: int | None


def find_programs(engine: Engine, settings: Settings, uuids: Sequence[UUID | str] = ()) -> list[LmsProgram]:
    """The programs whose enrollments are read: the listed ones of the configured types, or of those the ones named.

    Raises UsageError where a program that is named is not read.
    """
    types = [name.strip().lower() for name in settings.enrollment_program_types.split(",")]
    wanted = sorted({str(UUID(str(uuid))) for uuid in uuids})
    with connected(engine) as connection:
        found = rows(connection, PROGRAMS, types=types, uuids=wanted)
    known = {row["uuid"]: row for row in found}
    unread = {
        uuid: reason
        for uuid in wanted
        if (reason := _not_read(known[uuid], settings) if uuid in known else "there is no such program")
    }
    if unread:
        told = "; ".join(f"{uuid}: {reason}" for uuid, reason in unread.items())
        raise UsageError(f"The enrollments of these programs are not read. {told}.")
    return [LmsProgram(row["id"], row["uuid"], row["title"], row["organization_id"]) for row in found]


def _not_read(program: dict[str, Any], settings: Settings) -> str | None:
    """Why the enrollments of a program are not read; None where they are."""
    if program["is_adopted"]:
        return "they were taken over from the LMS, and are kept here"
    if not program["is_listed"]:
        return "discovery no longer lists it"
    if not program["is_of_type"]:
        return f"its type is none of CATALOG_ENROLLMENT_PROGRAM_TYPES ({settings.enrollment_program_types})"
    return None


def land_program(connection: Connection, client: ApiClient, program: LmsProgram) -> Crawl | None:
    """Read a program's lists whole, and land them as one document; None where the LMS does not know the program.

    Raises UpstreamError: then nothing was kept.
    """
    with connection.begin():
        started_at = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        runs = list(connection.execute(text(RUNS), {"program": program.id}).scalars())
    found = _read(client, program, runs)
    if found is None:
        return None
    document, pages = found
    crawl = _crawl(program, started_at, pages)
    with connection.begin():
        locks.take(connection, ENROLLMENT_LOCK)
        hide_retired(connection, retirement_secret(client.settings), program.organization_id, document)
        digest = content_hash(document)
        connection.execute(text(STAGING.format(kind=KIND).replace("PRESERVE ROWS", "DROP")))
        columns = {"key": "text", "payload_hash": "bytea", "payload": "bytea"}
        copy_rows(connection, crawl.staging, columns, [(program.uuid, digest, compress(encode(document)))])
        merge_documents(connection, crawl, "")
        record_address(connection, client.settings, SERVICE, started_at)
        record_crawl(connection, client, crawl, program.uuid, is_complete=True)
    return crawl


def _read(client: ApiClient, program: LmsProgram, runs: list[str]) -> tuple[dict[str, Any], int] | None:
    """The document of a program (enrollments, and courses by the key of the run), and the number of pages."""
    enrolled = read_rows(client, program.uuid)
    if enrolled is None:
        return None
    with ThreadPoolExecutor(client.settings.parallel_pages, "enrollments") as pool:
        lists = list(pool.map(lambda run_key: read_rows(client, program.uuid, run_key), runs))
    # The LMS may not know a run, or not count it as the program's: then nobody is enrolled in it there.
    courses = {run_key: listed[0] for run_key, listed in zip(runs, lists, strict=True) if listed}
    pages = enrolled[1] + sum(listed[1] for listed in lists if listed)
    return {"enrollments": enrolled[0], "courses": courses}, pages


def _crawl(program: LmsProgram, started_at: datetime, pages: int) -> Crawl:
    def no_pages(_: Any) -> Page:
        raise TypeError("its pages go by a cursor")

    listing = Listing(SOURCE, KIND, path_of(program.uuid), {}, no_pages, lambda _: program.uuid, own_service=SERVICE)
    return Crawl(listing, None, started_at, None, {program.uuid}, pages, 1)
