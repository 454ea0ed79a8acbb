"""Reminding, taking back, nudging, acknowledging, clearing: who is mailed, what stays, and what is never done twice."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from support.assignments import COURSE, DAY, NOW, RUN, Budget

from catalog_pipeline.assignments.acknowledging import Acknowledgement, acknowledge
from catalog_pipeline.assignments.asked import Answers
from catalog_pipeline.assignments.cancelling import cancel
from catalog_pipeline.assignments.mails import preview
from catalog_pipeline.assignments.nudging import Ask, Nudges, nudge, nudge_all
from catalog_pipeline.assignments.privacy import Clearing, clear_personal_data
from catalog_pipeline.assignments.reminding import remind
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import LoadRefusedError, UsageError
from catalog_pipeline.rules.content_rules import EXECUTIVE_EDUCATION
from catalog_pipeline.settings import Settings

CONFIGURATION = UUID(int=4)


class Desk:
    """A person at work on the assignments of `budget`."""

    def __init__(self, engine: Engine, budget: Budget, settings: Settings) -> None:
        self.engine, self.budget, self.settings = engine, budget, settings

    def uuid(self, assignment: int) -> UUID:
        return self.budget.rows("SELECT uuid FROM catalog.content_assignment WHERE id = :id", id=assignment)[0]["uuid"]

    def assign(self, email: str = "ann@acme.example", **values: Any) -> UUID:
        return self.uuid(self.budget.assign(email, **values))

    def remind(self, *uuids: UUID, as_of: datetime = NOW, **options: Any) -> Answers:
        return remind(self.engine, uuids, as_of=as_of, settings=self.settings, actor="cli:ann", **options)

    def cancel(self, *uuids: UUID, as_of: datetime = NOW, **options: Any) -> Answers:
        return cancel(self.engine, uuids, as_of=as_of, settings=self.settings, actor="cli:ann", **options)

    def ask(self, days: int = 30, as_of: datetime = NOW, *, dry_run: bool = False) -> Ask:
        return Ask(days, as_of, self.settings, "cli:ann", dry_run)

    def nudge(self, *uuids: UUID, **options: Any) -> Nudges:
        return nudge(self.engine, uuids, CONFIGURATION, self.ask(**options))

    def nudge_all(self, **options: Any) -> Nudges:
        return nudge_all(self.engine, self.ask(**options))

    def acknowledge(self, *uuids: UUID, learner: int = 7, as_of: datetime = NOW) -> Acknowledgement:
        return acknowledge(self.engine, uuids, of=CONFIGURATION, learner=learner, as_of=as_of, actor="cli:ann")

    def clear(self, **options: Any) -> Clearing:
        return clear_personal_data(self.engine, as_of=NOW, actor="cli:ann", **options)

    def end_mails(self, *, sent: bool) -> None:
        """Let every mail that waits be sent, or given up."""
        change = "sent_at = now(), due_at = NULL, delivered = recipients, content = NULL" if sent else "due_at = NULL"
        with connected(self.engine) as connection:
            connection.execute(text(f"UPDATE ops.outbox SET {change} WHERE due_at IS NOT NULL"))

    def mails(self) -> list[str]:
        return [row["kind"] for row in self.budget.rows("SELECT kind FROM ops.outbox ORDER BY id")]

    def actions(self) -> list[tuple[str, bool, str | None]]:
        found = self.budget.rows("SELECT * FROM catalog.assignment_action ORDER BY id")
        return [(row["action_type"], row["completed_at"] is not None, row["error_reason"]) for row in found]


@pytest.fixture
def desk(engine: Engine, budget: Budget, settings: Settings) -> Desk:
    return Desk(engine, budget, settings)


def outcomes(found: Answers) -> list[str]:
    return [row["outcome"] for row in found.assignments]


def test_only_what_is_allocated_can_be_reminded_of(desk: Desk) -> None:
    uuids = [desk.assign(f"{state}@b.example", state=state) for state in ("allocated", "accepted", "expired")]
    found = desk.remind(*uuids, UUID(int=99))
    assert outcomes(found) == ["reminded", "not_remindable", "not_remindable", "unknown"]
    assert found.counts == {"reminded": 1, "not_remindable": 2, "unknown": 1}
    assert found.exit_code == 3
    assert desk.mails() == ["assignment_reminder"]
    assert desk.actions() == [("reminded", False, None)]


def test_a_learner_is_reminded_once_a_day_by_utc(desk: Desk) -> None:
    uuid = desk.assign()
    at_midnight = NOW.replace(hour=0)
    assert outcomes(desk.remind(uuid, as_of=at_midnight - timedelta(seconds=1))) == ["reminded"]
    assert outcomes(desk.remind(uuid, as_of=at_midnight)) == ["reminded"]
    again = desk.remind(uuid, as_of=at_midnight + timedelta(hours=23, minutes=59))
    assert (outcomes(again), again.exit_code) == (["already_reminded"], 0)


def test_a_reminder_that_was_refused_does_not_count(desk: Desk) -> None:
    uuid = desk.assign()
    desk.remind(uuid)
    desk.end_mails(sent=False)
    assert desk.actions() == [("reminded", False, "email_error")]
    assert outcomes(desk.remind(uuid)) == ["reminded"]


def test_what_is_allocated_or_failed_can_be_taken_back(desk: Desk) -> None:
    uuids = [
        desk.assign(f"{state}@b.example", state=state) for state in ("allocated", "errored", "cancelled", "accepted")
    ]
    found = desk.cancel(*uuids, uuids[0])
    assert outcomes(found) == ["cancelled", "cancelled", "already_cancelled", "not_cancelable"]
    states = desk.budget.rows("SELECT state, cancelled_at FROM catalog.content_assignment ORDER BY id")
    assert [row["state"] for row in states] == ["cancelled", "cancelled", "cancelled", "accepted"]
    assert [row["cancelled_at"] for row in states] == [NOW, NOW, None, None]
    assert desk.mails() == ["assignment_cancelled"] * 2
    assert outcomes(desk.cancel(uuids[0])) == ["already_cancelled"]


def test_a_dry_run_says_the_same_and_mails_nobody(desk: Desk) -> None:
    uuid = desk.assign()
    assert outcomes(desk.remind(uuid, dry_run=True)) == ["reminded"]
    assert outcomes(desk.cancel(uuid, dry_run=True)) == ["cancelled"]
    assert (desk.mails(), desk.actions()) == ([], [])


def test_assignments_of_enterprise_access_are_left_alone(desk: Desk) -> None:
    uuid = desk.assign(state="allocated")
    desk.budget.update("assignment_configuration", desk.budget.configuration, owner="enterprise_access")
    assert outcomes(desk.remind(uuid)) == outcomes(desk.cancel(uuid)) == ["owned_elsewhere"]
    assert desk.nudge(uuid).not_nudged == [{"uuid": uuid, "reason": "owned_elsewhere"}]
    with pytest.raises(LoadRefusedError, match="owned_elsewhere"):
        desk.acknowledge(uuid)
    assert desk.mails() == []


def test_an_action_is_completed_when_its_mail_is_sent(desk: Desk) -> None:
    desk.cancel(desk.assign())
    assert desk.actions() == [("cancelled", False, None)]
    desk.end_mails(sent=True)
    assert desk.actions() == [("cancelled", True, None)]


@pytest.fixture
def course(budget: Budget) -> int:
    """Executive education whose run begins in thirty days."""
    course = budget.course(course_type=EXECUTIVE_EDUCATION, advertised_run_key=RUN)
    budget.run(course, start=NOW + 30 * DAY)
    return course


def accepted(desk: Desk, email: str = "ann@acme.example", **values: Any) -> UUID:
    uuid = desk.assign(email, **{"state": "accepted", "preferred_course_run_key": RUN, **values})
    desk.budget.rebuild()
    return uuid


def test_who_accepted_is_nudged_once_for_each_run_and_start(desk: Desk, course: int) -> None:
    uuid = accepted(desk)
    assert desk.nudge_all().nudged == [uuid]
    assert desk.nudge(uuid).not_nudged == [{"uuid": uuid, "reason": "already_nudged"}]
    with connected(desk.engine) as connection:
        connection.execute(text("UPDATE catalog.content_run SET start = start + interval '2 days'"))
    assert desk.nudge(uuid, as_of=NOW + 2 * DAY).nudged == [uuid]
    assert desk.mails() == ["assignment_nudge"] * 2


def test_days_that_were_missed_are_caught_up_but_not_for_ever(desk: Desk, course: int) -> None:
    accepted(desk)
    desk.nudge_all(as_of=NOW - 2 * DAY)
    assert len(desk.nudge_all(as_of=NOW + DAY, dry_run=True).nudged) == 1
    assert len(desk.nudge_all(as_of=NOW + 3 * DAY, dry_run=True).nudged) == 1
    assert len(desk.nudge_all(as_of=NOW + 4 * DAY, dry_run=True).nudged) == 0
    assert len(desk.nudge_all(as_of=NOW + 3 * DAY).nudged) == 1
    assert desk.nudge_all(as_of=NOW + 4 * DAY).nudged == []


def test_a_job_that_runs_for_the_first_time_catches_nothing_up(desk: Desk, course: int) -> None:
    accepted(desk)
    assert desk.nudge_all(as_of=NOW + DAY).nudged == []


def test_each_learner_who_is_not_nudged_has_a_reason(desk: Desk, course: int) -> None:
    budget = desk.budget
    other = budget.course("AcmeX+B", course_type="verified-audit")
    budget.run(other, f"{RUN}b", start=NOW + 30 * DAY)
    undated = budget.course("AcmeX+C", course_type=EXECUTIVE_EDUCATION)
    budget.run(undated, f"{RUN}c")
    late = budget.course("AcmeX+D", course_type=EXECUTIVE_EDUCATION)
    budget.run(late, f"{RUN}d", start=NOW + 31 * DAY)
    uuids = {
        "not_accepted": accepted(desk, "a@b.example", state="allocated"),
        "no_run": accepted(desk, "b@b.example", preferred_course_run_key=None),
        "no_content": accepted(desk, content_key="AcmeX+Z", preferred_course_run_key=f"{RUN}z"),
        "not_executive_education": accepted(desk, content_key="AcmeX+B", preferred_course_run_key=f"{RUN}b"),
        "no_start_date": accepted(desk, content_key="AcmeX+C", preferred_course_run_key=f"{RUN}c"),
        "not_due": accepted(desk, content_key="AcmeX+D", preferred_course_run_key=f"{RUN}d"),
        "unknown": UUID(int=99),
    }
    done = desk.nudge(*uuids.values())
    assert {row["reason"]: row["uuid"] for row in done.not_nudged} == uuids
    assert (done.nudged, done.exit_code) == ([], 3)
    job = desk.nudge_all()
    assert {row["reason"] for row in job.not_nudged} == set(uuids) - {"not_accepted", "unknown"}
    assert job.exit_code == 0


def test_a_configuration_that_is_not_active_nudges_nobody(desk: Desk, course: int) -> None:
    uuid = accepted(desk)
    desk.budget.update("assignment_configuration", desk.budget.configuration, active=False)
    assert desk.nudge_all() == Nudges()
    with pytest.raises(LoadRefusedError, match="not active"):
        desk.nudge(uuid)


def test_a_learner_acknowledges_what_ended_once(desk: Desk) -> None:
    mine = {"lms_user_id": 7, "expired_at": NOW, "cancelled_at": NOW}
    expired = desk.assign(state="expired", **mine)
    cancelled = desk.assign(state="cancelled", content_key="AcmeX+B", **mine)
    live = desk.assign(content_key="AcmeX+C", **mine)
    other = desk.assign("bob@acme.example", state="expired", lms_user_id=8, expired_at=NOW)
    first = desk.acknowledge(expired, cancelled, live, other)
    assert first == Acknowledgement([expired, cancelled], [], [live])
    assert desk.acknowledge(expired) == Acknowledgement([], [expired], [])
    with pytest.raises(UsageError, match="None of these"):
        desk.acknowledge(other)


def test_what_expires_again_is_to_be_acknowledged_again(desk: Desk) -> None:
    uuid = desk.assign(state="expired", lms_user_id=7, expired_at=NOW)
    desk.acknowledge(uuid)
    with connected(desk.engine) as connection:
        connection.execute(text("UPDATE catalog.content_assignment SET expired_at = :at"), {"at": NOW + DAY})
    assert desk.acknowledge(uuid, as_of=NOW + DAY).acknowledged == [uuid]


EVERYWHERE = """
    SELECT format('SELECT %L AS place, count(*) AS n FROM %s AS t WHERE t::text ILIKE $1',
                  c.oid::regclass, c.oid::regclass)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('catalog', 'ops', 'landing', 'marts') AND c.relkind IN ('r', 'm', 'p')"""


def places(desk: Desk, address: str) -> set[str]:
    """The tables in which an address stands, in any column, as text or in the bytes of a mail."""
    found = set()
    with desk.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(EVERYWHERE)
        for (query,) in cursor.fetchall():
            cursor.execute(query.replace("$1", "%s"), [f"%{address}%"])
            found |= {place for place, n in cursor.fetchall() if n}
        cursor.execute("SELECT count(*) FROM ops.outbox WHERE convert_from(content, 'utf8') ILIKE %s", [f"%{address}%"])
        if cursor.fetchone() != (0,):
            found.add("ops.outbox.content")
    return found


def test_a_cleared_address_stands_nowhere(desk: Desk) -> None:
    ann = {"state": "expired", "expired_reason": "NINETY_DAYS_PASSED", "expired_at": NOW}
    uuid = desk.assign("ann@acme.example")
    learner = {"enterprise_customer_id": desk.budget.customer, "lms_user_id": 7}
    desk.budget.insert("enterprise_learner", **learner, email="Ann@acme.example")
    desk.remind(uuid)
    desk.end_mails(sent=False)
    with connected(desk.engine) as connection:
        connection.execute(
            text("UPDATE catalog.content_assignment SET state = :state, expired_reason = :expired_reason,"
                 " expired_at = :expired_at"), ann
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO catalog.assignment_action (content_assignment_id, action_type, completed_at)"
                 " SELECT id, 'expired', now() FROM catalog.content_assignment")
        )  # fmt: skip
    tables = {"catalog.content_assignment", "catalog.enterprise_learner", "ops.outbox", "ops.outbox.content"}
    assert places(desk, "ann@acme.example") == tables
    assert desk.clear(dry_run=True).assignments == [uuid]
    assert "catalog.content_assignment" in places(desk, "ann@acme.example")
    assert desk.clear().assignments == [uuid]
    assert places(desk, "ann@acme.example") == set()
    (row,) = desk.budget.rows("SELECT learner_email FROM catalog.content_assignment")
    assert len(row["learner_email"]) == len("retired_user0123456789abcdef@retired.invalid")
    learners = desk.budget.rows("SELECT lms_user_id, email ILIKE 'ann%' AS is_ann FROM catalog.enterprise_learner")
    assert learners == [{"lms_user_id": 7, "is_ann": False}]
    assert desk.clear().assignments == []


def test_the_list_of_learners_keeps_an_address_that_another_assignment_has(desk: Desk) -> None:
    assignment = desk.budget.assign(state="expired", expired_reason="NINETY_DAYS_PASSED", expired_at=NOW)
    desk.budget.insert("assignment_action", content_assignment_id=assignment, action_type="expired", completed_at=NOW)
    desk.budget.assign(content_key="AcmeX+OTHER")
    (kept,) = desk.budget.rows("SELECT DISTINCT learner_email AS email FROM catalog.content_assignment")
    learner = {"enterprise_customer_id": desk.budget.customer, "lms_user_id": 7}
    desk.budget.insert("enterprise_learner", **learner, **kept)
    assert len(desk.clear().assignments) == 1
    assert desk.budget.rows("SELECT email FROM catalog.enterprise_learner") == [kept]


@pytest.mark.parametrize(
    ("expired_reason", "told", "state", "owner"),
    [
        ("ENROLLMENT_DATE_PASSED", True, "expired", "here"),
        ("NINETY_DAYS_PASSED", False, "expired", "here"),
        ("NINETY_DAYS_PASSED", True, "cancelled", "here"),
        ("NINETY_DAYS_PASSED", True, "expired", "enterprise_access"),
    ],
)
def test_an_address_that_is_needed_still_is_kept(
    desk: Desk, expired_reason: str, told: bool, state: str, owner: str
) -> None:
    desk.assign(state=state, expired_reason=expired_reason, expired_at=NOW)
    desk.budget.update("assignment_configuration", desk.budget.configuration, owner=owner)
    with connected(desk.engine) as connection:
        connection.execute(
            text("INSERT INTO catalog.assignment_action (content_assignment_id, action_type, completed_at)"
                 " SELECT id, 'expired', CASE WHEN :told THEN now() END FROM catalog.content_assignment"),
            {"told": told},
        )  # fmt: skip
    assert desk.clear().assignments == []


@pytest.mark.parametrize(("reason", "cleared"), [("NINETY_DAYS_PASSED", 1), ("SUBSIDY_EXPIRED", 0)])
def test_without_a_reason_of_its_own_the_reason_now_decides_whether_an_address_is_cleared(
    desk: Desk, reason: str, cleared: int
) -> None:
    assignment = desk.budget.assign(state="expired", expired_at=NOW)
    if reason == "SUBSIDY_EXPIRED":
        desk.budget.update("subsidy", desk.budget.subsidy, expiration=NOW)
    desk.budget.rebuild()
    desk.budget.insert("assignment_action", content_assignment_id=assignment, action_type="expired", completed_at=NOW)
    assert len(desk.clear().assignments) == cleared


def test_a_preview_writes_nothing_and_shows_the_mail_as_it_would_be_sent(desk: Desk, course: int) -> None:
    uuid = desk.assign(content_key=COURSE)
    desk.budget.rebuild()
    with connected(desk.engine) as connection:
        (mail,) = preview(connection, "create", [uuid], as_of=NOW, settings=desk.settings)
    shown = mail.as_json()
    assert (shown["uuid"], shown["kind"]) == (uuid, "assignment_created")
    assert shown["properties"]["organization"] == "Acme"
    assert "Acme" in shown["text"]
    assert "Acme" in shown["html"]
    assert shown["subject"] == "Acme assigned you a course: About AcmeX+LEAD10"
    assert desk.mails() == []
    with connected(desk.engine) as connection, pytest.raises(UsageError, match="no kind of mail"):
        preview(connection, "birthday", [uuid], as_of=NOW, settings=desk.settings)


@pytest.mark.parametrize(("begins", "when"), [(30, "in 30 days"), (1, "tomorrow"), (0, "soon"), (None, "soon")])
def test_a_nudge_says_when_the_course_begins(desk: Desk, begins: int | None, when: str) -> None:
    course = desk.budget.course(course_type=EXECUTIVE_EDUCATION, advertised_run_key=RUN)
    desk.budget.run(course, start=None if begins is None else NOW + begins * DAY)
    uuid = accepted(desk)
    with connected(desk.engine) as connection:
        (mail,) = preview(connection, "nudge", [uuid], as_of=NOW, settings=desk.settings)
    assert mail.content.headline == f"About {COURSE} begins {when}"


def test_text_from_outside_is_escaped_in_the_mail(desk: Desk) -> None:
    desk.budget.course(title="<script>alert(1)</script>\r\nBcc: eve@example.org")
    uuid = desk.assign()
    desk.budget.rebuild()
    desk.remind(uuid)
    (row,) = desk.budget.rows("SELECT subject, convert_from(content, 'utf8') AS content FROM ops.outbox")
    assert "\n" not in row["subject"]
    assert "\nBcc:" not in row["content"].replace("\r", "").split("\n\n")[0]
    assert "<script>" not in row["content"].split("text/html", 1)[1]
