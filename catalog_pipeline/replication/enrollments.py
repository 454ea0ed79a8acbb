"""Replicates the program enrollments that the LMS lists: a load for each program, which stops no other program's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import CatalogError, DatabaseError, ExitCode, LoadRefusedError, UsageError
from catalog_pipeline.learners.retirement import retirement_secret
from catalog_pipeline.loading.landing import Crawl
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.loading.publication import ENROLLMENT_LOCK, LoadReport, Publication, publishing
from catalog_pipeline.loading.upstream import check_address
from catalog_pipeline.replication import enrollments_seats
from catalog_pipeline.replication.enrollments_learners import find_people
from catalog_pipeline.replication.enrollments_reading import LmsProgram, find_programs, land_program
from catalog_pipeline.replication.enrollments_resolving import find_removals, resolve
from catalog_pipeline.replication.enrollments_staging import stage_rows
from catalog_pipeline.rules import VERSION
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.enrollments import SERVICE, SOURCE
from catalog_pipeline.sources.upstreams import Upstreams

logger = logging.getLogger(__name__)

TRIES = 5
LOST_RACES = ("23505", "23503", "40001", "40P01")
"""SQLSTATEs where another session was faster: unique or foreign key violation, serialization failure, deadlock."""
DOCUMENT = f"""
    SELECT d.id, d.payload, d.payload_hash, {PENDING} AS is_pending,
           p.enrollments_adopted_at IS NOT NULL AS is_adopted
    FROM catalog.program p LEFT JOIN landing.document d ON d.source = :source AND d.key = p.uuid::text
    WHERE p.id = :program"""
CLEAR_REJECTS = """
    UPDATE ops.rejected_record SET cleared_at = now()
    WHERE document_id = :document AND cleared_at IS NULL AND load_id <> :load"""
OWN = """
    UPDATE catalog.program SET enrollments_owner = 'lms' WHERE id = :program AND enrollments_owner <> 'lms'"""
FORGET = "DELETE FROM landing.document WHERE id = :document"
SETTLE = """
    UPDATE landing.document SET settled_hash = payload_hash, settled_rules = :version
    WHERE id = :document AND id NOT IN (SELECT id FROM left_pending)
      AND (settled_hash, settled_rules) IS DISTINCT FROM (payload_hash, :version)"""


@dataclass(frozen=True)
class EnrollmentLoad:
    """How the load of a program's enrollments ended."""

    program: str
    report: LoadReport
    crawls: Sequence[Crawl] = ()
    errors: Sequence[CatalogError] = ()

    @property
    def outcome(self) -> str:
        """applied, held or failed."""
        return "failed" if self.errors else self.report.outcome

    @property
    def detail(self) -> str | None:
        """Why it did not end as applied."""
        return " ".join(map(str, self.errors)) or self.report.detail

    @property
    def exit_code(self) -> ExitCode:
        """The exit status for this outcome."""
        return max(self.report.exit_code, *(error.exit_code for error in self.errors), ExitCode.DONE)


def are_replicated(settings: Settings) -> bool:
    """Whether enrollments are read: those of the sample always, those of an LMS where that is switched on."""
    return settings.uses_sample or bool(settings.lms_url and settings.enrollments)


def refresh_enrollments(
    engine: Engine, upstreams: Upstreams, programs: Sequence[UUID | str] = (), *, accept_removals: bool = False
) -> list[EnrollmentLoad]:
    """Load the enrollments of the programs that the LMS may have, or of the named ones. None stops another.

    A program that the LMS does not know has no load. Raises UsageError where enrollments are not replicated, or those
    of a named program are not; DatabaseError.
    """
    settings = upstreams.settings
    if not are_replicated(settings):
        raise UsageError("Enrollments are not replicated: set CATALOG_LMS_URL, and CATALOG_ENROLLMENTS=on.")
    found = find_programs(engine, settings, programs)
    with connected(engine) as connection:
        began = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    loads = (_load(engine, upstreams, program, began, accept=accept_removals) for program in found)
    return [load for load in loads if load is not None]


def _load(
    engine: Engine, upstreams: Upstreams, program: LmsProgram, began: datetime, *, accept: bool
) -> EnrollmentLoad | None:
    """Load a program; None where the LMS does not know it. Raises DatabaseError."""
    try:
        client = upstreams.client(SERVICE)
        with engine.connect() as connection:
            with connection.begin():
                check_address(connection, upstreams.settings, SERVICE)
            crawl = land_program(connection, client, program)
        if crawl is None:
            logger.info("program %s: the LMS does not know it", program.uuid)
            return None
        report = publish_program(engine, upstreams.settings, program, began, accept_removals=accept)
    except DatabaseError:
        raise
    except CatalogError as error:
        return EnrollmentLoad(program.uuid, LoadReport(_source(program), 0), errors=[error])
    return EnrollmentLoad(program.uuid, report, (crawl,))


def publish_program(
    engine: Engine, settings: Settings, program: LmsProgram, refresh_began: datetime, *, accept_removals: bool = False
) -> LoadReport:
    """Decide and publish a program's document, where it is pending, and settle the seats of all its rows.

    Raises LoadRefusedError where no organization authors the program: nobody says whose keys its learners have.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return _publish(engine, settings, program, refresh_began, accept=accept_removals)
        except DBAPIError as error:
            # Whoever writes by SQL does not wait for a load: where he was faster, all is decided anew.
            if getattr(error.orig, "sqlstate", None) not in LOST_RACES or attempt == TRIES:
                raise
    raise AssertionError("every try returns or raises")


def _publish(
    engine: Engine, settings: Settings, program: LmsProgram, refresh_began: datetime, *, accept: bool
) -> LoadReport:
    secret = retirement_secret(settings)
    with publishing(engine, _source(program), datetime.now(UTC), lock=ENROLLMENT_LOCK) as publication:
        publication.execute("SET LOCAL default_statistics_target = 10")  # as other loads do: only sizes are needed
        (document,) = rows(publication.connection, DOCUMENT, source=SOURCE, program=program.id)
        if document["is_adopted"]:  # since it was read
            publication.execute(FORGET, document=document["id"])
            return publication.report
        if program.organization_id is None:
            raise LoadRefusedError(
                f"program_without_organization: no organization authors {program.title} ({program.uuid}), so that"
                " nobody says whose keys name its learners. Nothing of its enrollments was changed."
            )
        _stage(publication, program, document, secret)
        if document["is_pending"]:
            find_removals(publication, program, settings, document["id"], accept=accept)
        enrollments_seats.write(publication, program, refresh_began)
        publication.execute(OWN, program=program.id)
        publication.execute(SETTLE, document=document["id"], version=VERSION)
    return publication.report


def _stage(publication: Publication, program: LmsProgram, document: Row, secret: bytes) -> None:
    """Find out what a pending document means. Of one that is settled nothing is staged: what stands, stands."""
    content: dict[str, Any] = {}
    if document["is_pending"]:
        content = decode(decompress(document["payload"]))
        publication.report.documents += 1
        publication.execute(CLEAR_REJECTS, document=document["id"], load=publication.report.load_id)
    stage_rows(publication, document["id"], content)
    find_people(publication, secret, program.organization_id, document["id"])
    resolve(publication, program, document["id"])


def _source(program: LmsProgram) -> str:
    return f"{SOURCE}:{program.uuid}"
