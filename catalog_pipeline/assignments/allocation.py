"""Allocation: a policy assigns content to learners, all of them or none."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine

from catalog_pipeline.addresses import EMAIL, LONGEST_EMAIL
from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.asked import writing
from catalog_pipeline.assignments.expirations import rebuild
from catalog_pipeline.assignments.held_content import Current, HeldContent, Wanted, current, priced
from catalog_pipeline.assignments.reading import show_assignments
from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.rules.allocation import Content, Offer, Policy, refusal
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
    WITH written AS (
        MERGE INTO catalog.content_assignment a
        USING (SELECT * FROM decided WHERE outcome <> 'no_change' ORDER BY position) d ON a.id = d.id
        WHEN MATCHED AND d.outcome = 'reallocated' THEN UPDATE SET
            state = 'allocated', lms_user_id = d.lms_user_id, content_quantity = -:price, content_title = :title,
            learner_email = CASE WHEN d.restores_email THEN d.email ELSE a.learner_email END,
            parent_content_key = :parent, is_assigned_course_run = :is_run, preferred_course_run_key = :run,
            allocation_batch_id = :batch, admin_lms_user_id = :admin, allocated_at = :as_of,
            allocated_at_from = 'given', accepted_at = NULL, cancelled_at = NULL, expired_at = NULL,
            errored_at = NULL, reversed_at = NULL, expired_reason = NULL
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
        RETURNING d.position, a.id)
    UPDATE decided d SET id = w.id FROM written w WHERE w.position = d.position"""

ALLOCATED = "outcome IN ('created', 'reallocated')"
"""SQL: which rows of `decided` are allocated now, so that they cost money, and their learners get a mail."""
OUTCOMES = f"SELECT id, outcome, {ALLOCATED} AS allocated FROM decided ORDER BY position"
LISTS = {"created": "created", "reallocated": "updated", "updated": "updated", "no_change": "no_change"}
"""The list in which the report has a row, by its outcome."""


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
    """What became of a request: the assignments that it made, changed and left as they were, in its order."""

    outcome: str = "allocated"
    reason: str | None = None
    message: str | None = None
    warnings: list[str] = field(default_factory=list)
    created: list[Row] = field(default_factory=list)
    updated: list[Row] = field(default_factory=list)
    no_change: list[Row] = field(default_factory=list)

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
        named = ", ".join(repr(email[:LONGEST_EMAIL]) for email in bad)
        raise UsageError(f"These are no mail addresses: {named}. Correct them; nothing was done.")
    if not emails:
        raise UsageError("Name the learners: give --email, or --emails with a file of addresses, one a line.")
    if not 0 <= request.price_cents <= LARGEST_PRICE:
        raise UsageError(f"The price is {request.price_cents} US cents: give a whole number that is not negative.")
    return emails


def allocate(
    engine: Engine, upstreams: Upstreams, request: Request, *, as_of: datetime, actor: str, dry_run: bool = False
) -> Allocation:
    """Allocate the content to the learners, or say why not. Content that is not held, or too old, is fetched first.

    With `dry_run` nothing is written, not even content that was fetched. Raises UsageError for a wrong request,
    UpstreamError where the content is not held and cannot be fetched.
    """
    emails = check_request(request)
    with connected(engine) as connection:
        policy = _policy(connection, request.policy, as_of)
    wanted = _wanted(request, policy, as_of, keep=not dry_run)
    with current(engine, upstreams, wanted) if wanted else nullcontext(Current(engine, None)) as found:
        held, warnings = priced(found.content, upstreams, policy["customer_uuid"])
        with writing(found.bound, "allocate", as_of, actor, dry_run=dry_run) as publication:
            done = _decide_and_write(publication, request, emails, held, upstreams.settings)
    done.warnings += [*found.warnings, *warnings]
    return done


def _policy(connection: Connection, uuid: UUID, as_of: datetime) -> Row:
    found = rows(connection, POLICY, policy=uuid, as_of=as_of)
    if not found:
        raise UsageError(f"There is no policy {uuid}: `catalog-pipeline refresh enterprise` reads them.")
    return found[0]


def _wanted(request: Request, policy: Row, as_of: datetime, *, keep: bool) -> Wanted | None:
    """The content to look for; None where the policy is refused whatever the content is."""
    if policy["configuration_id"] is None or policy["owner"] != "here" or policy["catalog_uuid"] is None:
        return None
    return Wanted(policy["catalog_uuid"], request.content_key, as_of, keep)


def _decide_and_write(
    publication: Publication, request: Request, emails: Sequence[str], held: HeldContent | None, settings: Settings
) -> Allocation:
    connection, as_of = publication.connection, publication.as_of
    # Read again under the lock: another allocation may have taken what was left.
    policy = _policy(connection, request.policy, as_of)
    if policy["owner"] == "enterprise_access":
        return Allocation("refused", "owned_elsewhere", "The policy's assignments are enterprise-access's.")
    parameters = _parameters(request, policy, held, as_of)
    publication.execute(DECIDE, emails=list(emails), customer=policy["customer_id"], **parameters)
    analyze(connection, "decided")
    learners = publication.scalar(f"SELECT count(*) FROM decided WHERE {ALLOCATED}")
    offer = Offer(learners, request.price_cents, settings.price_ratio_lower, settings.price_ratio_upper)
    if why_not := refusal(_asked(policy), held and Content(held.canonical_cents), offer):
        return Allocation("refused", why_not.reason, why_not.message)
    publication.execute(WRITE, **parameters)
    outcomes = rows(connection, OUTCOMES)
    changed = [row["id"] for row in outcomes if row["outcome"] != "no_change"]
    rebuild(connection, changed, as_of=as_of, cause="allocation")
    with_mail = [row["id"] for row in outcomes if row["allocated"]]
    mails.queue(connection, "create", with_mail, as_of=as_of, settings=settings)
    _count(publication, [row["outcome"] for row in outcomes])
    return _report(connection, outcomes)


def _asked(policy: Row) -> Policy:
    return Policy(
        has_configuration=policy["configuration_id"] is not None,
        is_active=policy["is_active"],
        subsidy_is_active=policy["subsidy_is_active"],
        balance=policy["balance"],
        allocated=policy["allocated"],
        spent=policy["spent"],
        spend_limit=policy["spend_limit"],
    )


def _parameters(request: Request, policy: Row, held: HeldContent | None, as_of: datetime) -> dict[str, Any]:
    return {
        "configuration": policy["configuration_id"],
        "key": held.content_key if held else request.content_key,
        "parent": held and held.parent_key,
        "is_run": held is not None and held.is_run,
        "run": held and held.preferred_run,
        "title": held and held.title,
        "price": request.price_cents,
        "batch": uuid4(),
        "admin": request.admin_lms_user_id,
        "as_of": as_of,
    }


def _count(publication: Publication, outcomes: Sequence[str]) -> None:
    names = {"reallocated": "updated", "no_change": "unchanged"}
    publication.count("catalog.content_assignment", Counter(names.get(outcome, outcome) for outcome in outcomes))


def _report(connection: Connection, outcomes: Sequence[Row]) -> Allocation:
    shown = show_assignments(connection, [row["id"] for row in outcomes])
    done = Allocation()
    for row, assignment in zip(outcomes, shown, strict=True):
        getattr(done, LISTS[row["outcome"]]).append(assignment)
    return done
