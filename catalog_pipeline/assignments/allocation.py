"""Allocation: a policy assigns content to learners, all of them or none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.addresses import EMAIL, LONGEST_EMAIL
from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.held_content import HeldContent, read_content
from catalog_pipeline.assignments.expirations import rebuild
from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, Publication, publishing
from catalog_pipeline.rules.allocation import Content, Offer, Policy, Refusal, refusal
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import Upstreams

LARGEST_PRICE = 10**12
POLICY = """
    SELECT p.uuid, p.assignment_configuration_id AS configuration_id, g.owner, p.active AND NOT p.retired AS is_active,
           coalesce(s.is_active AND coalesce(s.expiration > :as_of, true), false) AS subsidy_is_active,
           coalesce(s.current_balance, 0) AS balance, coalesce(p.spent, 0) AS spent, p.spend_limit,
           p.enterprise_customer_id AS customer_id, c.uuid AS customer_uuid, k.uuid AS catalog_uuid,
           coalesce((SELECT -sum(a.content_quantity) FROM catalog.content_assignment a
                     WHERE a.assignment_configuration_id = g.id AND a.state = 'allocated'), 0)::bigint AS allocated
    FROM catalog.access_policy p
    JOIN catalog.enterprise_customer c ON c.id = p.enterprise_customer_id
    LEFT JOIN catalog.assignment_configuration g ON g.id = p.assignment_configuration_id
    LEFT JOIN catalog.subsidy s ON s.id = p.subsidy_id
    LEFT JOIN catalog.enterprise_catalog k ON k.id = p.enterprise_catalog_id
    WHERE p.uuid = :policy"""

DECIDE = f"""
    CREATE TEMP TABLE decided ON COMMIT DROP AS
    WITH wanted AS (
        SELECT w.email, w.position, {folded("w.email")} AS folded, l.lms_user_id
        FROM unnest(CAST(:emails AS text[])) WITH ORDINALITY AS w (email, position)
        LEFT JOIN catalog.enterprise_learner l
          ON l.enterprise_customer_id = :customer AND {folded("l.email")} = {folded("w.email")}
    ),
    standing AS (
        SELECT *, {folded("learner_email")} AS folded FROM catalog.content_assignment
        WHERE assignment_configuration_id = :configuration AND content_key = :key
    ),
    -- A learner's own row goes before one that only has the address.
    matched AS (
        SELECT DISTINCT ON (w.position) w.*, s.id, s.state, s.lms_user_id AS known_as, s.preferred_course_run_key,
               s.parent_content_key, s.is_assigned_course_run, s.folded AS standing_email
        FROM wanted w LEFT JOIN standing s ON s.folded = w.folded OR s.lms_user_id = w.lms_user_id
        ORDER BY w.position, s.lms_user_id = w.lms_user_id DESC NULLS LAST, s.id
    )
    SELECT m.email, m.position, m.id, coalesce(m.known_as, m.lms_user_id) AS lms_user_id,
           -- The address was retired when personal data was cleared; another row may have it by now.
           m.state = 'expired' AND m.lms_user_id IS NOT NULL AND m.standing_email <> m.folded
               AND NOT EXISTS (SELECT FROM standing o WHERE o.folded = m.folded) AS restores_email,
           CASE WHEN m.id IS NULL THEN 'created'
                WHEN m.state IN ('cancelled', 'errored', 'expired', 'reversed') THEN 'reallocated'
                WHEN m.known_as IS NULL AND m.lms_user_id IS NOT NULL
                  OR m.state = 'allocated'
                     AND (m.preferred_course_run_key, m.parent_content_key, m.is_assigned_course_run)
                         IS DISTINCT FROM (CAST(:run AS text), CAST(:parent AS text), :is_run) THEN 'updated'
                ELSE 'no_change' END AS outcome
    FROM matched m
    -- Of two addresses of one learner the first counts.
    WHERE m.id IS NULL OR NOT EXISTS (SELECT FROM matched o WHERE o.id = m.id AND o.position < m.position)"""

WRITE = """
    MERGE INTO catalog.content_assignment a
    USING (SELECT * FROM decided WHERE outcome <> 'no_change' ORDER BY position) d ON a.id = d.id
    WHEN MATCHED AND d.outcome = 'reallocated' THEN UPDATE SET
        state = 'allocated', lms_user_id = d.lms_user_id, content_quantity = -:price, content_title = :title,
        learner_email = CASE WHEN d.restores_email THEN d.email ELSE a.learner_email END,
        parent_content_key = :parent, is_assigned_course_run = :is_run, preferred_course_run_key = :run,
        allocation_batch_id = :batch, admin_lms_user_id = :admin, allocated_at = :as_of, allocated_at_from = 'given',
        accepted_at = NULL, cancelled_at = NULL, expired_at = NULL, errored_at = NULL, reversed_at = NULL,
        expired_reason = NULL
    WHEN MATCHED AND a.state = 'allocated' THEN UPDATE SET
        lms_user_id = d.lms_user_id, parent_content_key = :parent, is_assigned_course_run = :is_run,
        preferred_course_run_key = :run
    WHEN MATCHED THEN UPDATE SET lms_user_id = d.lms_user_id
    WHEN NOT MATCHED THEN INSERT
        (assignment_configuration_id, learner_email, lms_user_id, content_key, parent_content_key,
         is_assigned_course_run, preferred_course_run_key, content_title, content_quantity, state, allocated_at,
         allocation_batch_id, admin_lms_user_id)
        VALUES (:configuration, d.email, d.lms_user_id, :key, :parent, :is_run, :run, :title, -:price, 'allocated',
                :as_of, :batch, :admin)
    RETURNING d.position, a.id"""


@dataclass(frozen=True)
class Request:
    """What is to be allocated: content, at a price in US cents, to learners by their addresses."""

    policy: UUID
    content_key: str
    price_cents: int
    emails: Sequence[str]
    admin_lms_user_id: int | None = None


@dataclass
class Allocation:
    """What became of a request. The lists hold ids of assignments, in the order of the addresses."""

    outcome: str = "allocated"
    reason: str | None = None
    message: str | None = None
    warnings: list[str] = field(default_factory=list)
    created: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    no_change: list[int] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """The exit status for this outcome."""
        return ExitCode.REFUSED if self.outcome == "refused" else ExitCode.DONE


def check_request(request: Request) -> list[str]:
    """The addresses, each learner's once, as first written. Raises UsageError, which names all that are none."""
    once: dict[str, str] = {}
    for email in request.emails:
        once.setdefault(email.strip().lower(), email.strip())
    emails = list(once.values())
    if bad := [email for email in emails if len(email) > LONGEST_EMAIL or not re.fullmatch(EMAIL, email)]:
        raise UsageError(f"These are no mail addresses: {', '.join(map(repr, bad))}. Correct them; nothing was done.")
    if not emails:
        raise UsageError("Name the learners: give --email, or --emails with a file of addresses, one a line.")
    if not 0 <= request.price_cents <= LARGEST_PRICE:
        raise UsageError(f"The price is {request.price_cents} US cents: give a whole number that is not negative.")
    return emails


def allocate(
    engine: Engine | Connection,
    upstreams: Upstreams,
    request: Request,
    *,
    as_of: datetime,
    actor: str,
    report: Callable[[Connection, Allocation], Reported],
) -> Reported:
    """Allocate the content to the learners, or say why not; then give what `report` makes of it.

    Content that is not held, or too old, is fetched first. `report` is called before the transaction ends. Raises
    UsageError for a wrong request, UpstreamError where the content is not held and cannot be fetched.
    """
    emails = check_request(request)
    with connected(engine) as connection:
        policy = _policy(connection, request.policy, as_of)
    held, warnings = _content(engine, upstreams, request, policy, as_of)
    with publishing(engine, "assignments:allocate", as_of, actor, lock=ENTERPRISE_LOCK) as publication:
        done = _decide_and_write(publication, request, emails, held, upstreams.settings)
        done.warnings[:0] = warnings
        return report(publication.connection, done)


def preview(
    engine: Engine,
    upstreams: Upstreams,
    request: Request,
    *,
    as_of: datetime,
    actor: str,
    report: Callable[[Connection, Allocation], Reported],
) -> Reported:
    """What `allocate` would give now. It writes nothing: not even content that it fetches is kept."""
    with engine.connect() as connection, connection.begin() as transaction:
        try:
            return allocate(connection, upstreams, request, as_of=as_of, actor=actor, report=report)
        finally:
            transaction.rollback()


def _policy(connection: Connection, uuid: UUID, as_of: datetime) -> Row:
    found = rows(connection, POLICY, policy=uuid, as_of=as_of)
    if not found:
        raise UsageError(f"There is no policy {uuid}: `catalog-pipeline refresh enterprise` reads them.")
    return found[0]


def _content(
    engine: Engine | Connection, upstreams: Upstreams, request: Request, policy: Row, as_of: datetime
) -> tuple[HeldContent | None, list[str]]:
    """The content with its price, and warnings. Upstream is asked for nothing that a refusal does not need."""
    if policy["configuration_id"] is None or policy["owner"] != "here" or policy["catalog_uuid"] is None:
        return None, []
    held, warnings = current(engine, upstreams, policy["catalog_uuid"], request.content_key, as_of)
    held, more = priced(held, upstreams, policy["customer_uuid"])
    return held, [*warnings, *more]


def _decide_and_write(
    publication: Publication, request: Request, emails: Sequence[str], held: HeldContent | None, settings: Settings
) -> Allocation:
    connection, as_of = publication.connection, publication.as_of
    # Read again under the lock: another allocation may have taken what is left.
    policy = _policy(connection, request.policy, as_of)
    if policy["owner"] == "enterprise_access":
        return Allocation("refused", "owned_elsewhere", "The policy's assignments belong to enterprise-access.")
    parameters = _parameters(request, policy, held, as_of)
    connection.execute(text(DECIDE), {**parameters, "emails": emails, "customer": policy["customer_id"]})
    analyze(connection, "decided")
    outcomes = rows(connection, "SELECT position, id, outcome FROM decided ORDER BY position")
    learners = sum(row["outcome"] in WITH_MAIL for row in outcomes)
    if why_not := _refusal(policy, held, Offer(learners, request.price_cents, *_ratios(settings))):
        return Allocation("refused", why_not.reason, why_not.message)
    ids = {row["position"]: row["id"] for row in outcomes}
    ids |= {row["position"]: row["id"] for row in rows(connection, WRITE, **parameters)}
    of = {name: [ids[row["position"]] for row in outcomes if row["outcome"] in kinds] for name, kinds in LISTS.items()}
    done = Allocation(**of)
    written = [ids[row["position"]] for row in outcomes if row["outcome"] != "no_change"]
    publication.count("catalog.content_assignment", {name: len(found) for name, found in COUNTED(done)})
    rebuild(connection, written, as_of=as_of, cause="allocation")
    mails.queue(
        connection,
        "create",
        [ids[row["position"]] for row in outcomes if row["outcome"] in WITH_MAIL],
        as_of=as_of,
        settings=settings,
    )
    return done
