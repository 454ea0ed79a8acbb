"""The sample's assignments of content to learners: in every state, of courses and runs, of good and awkward content.

An assignment does not change from day to day; the content that it names does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from catalog_pipeline.sample.customers import Configuration, Learner
from catalog_pipeline.sample.records import EPOCH, instant, stable_uuid

STATES = {"allocated": 46, "accepted": 20, "cancelled": 10, "expired": 9, "errored": 8, "reversed": 7}
"""The states of a hundred assignments."""
FIRST = 16
"""How many assignments of a configuration are live and fresh, so that a deadline of some weeks comes before 90 days."""
FIRST_STATES = ("allocated", "accepted", "allocated", "errored")
ADMINS = (1000, 1001, 1002)
"""The LMS ids of those who assign."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is assigned: a course, or one of its runs (`run_based`). `run` is the run that dates are taken from."""

    course_key: str
    run: str | None
    run_based: bool
    title: str
    cents: int

    @property
    def content_key(self) -> str:
        """The key that the assignment names."""
        return self.run if self.run_based and self.run else self.course_key


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done about an assignment; not `completed` where it failed, or has not ended yet."""

    uuid: str
    kind: str
    created: datetime
    completed: datetime | None
    error: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Assignment:
    """One learner's assignment. `moments` has the last time of each transition, by state."""

    uuid: str
    configuration: Configuration
    target: Target
    email: str
    lms_user_id: int | None
    state: str
    moments: dict[str, datetime]
    actions: tuple[Action, ...]
    transaction: str | None
    batch: str
    admin: int
    credit_request: str | None = None

    @property
    def allocated_at(self) -> datetime:
        """When it was allocated last."""
        return self.moments["allocated"]

    @property
    def modified(self) -> datetime:
        """When it was changed last."""
        return max(*self.moments.values(), *(action.created for action in self.actions))


def draft_assignments(
    configuration: Configuration, learners: list[Learner], targets: list[Target], count: int
) -> list[Assignment]:
    """So many assignments of targets to learners; fewer where there are too few of both for different ones.

    The first ones are of the first targets, and in the states that count as live.
    """
    rng = Random(f"assignments/{configuration.uuid}")
    taken: set[tuple[str, str]] = set()
    made: list[Assignment] = []
    for number, (target, learner) in enumerate(_pairs(targets, learners, count, rng)):
        if (learner.email, target.content_key) not in taken:
            taken.add((learner.email, target.content_key))
            made.append(_Draft(configuration, target, learner, number, rng).assignment())
    return made


def _pairs(targets: list[Target], learners: list[Learner], count: int, rng: Random) -> Iterator[tuple[Target, Learner]]:
    """Every target once, in order, then targets by chance."""
    if targets and learners:
        for number in range(count):
            yield targets[number] if number < len(targets) else rng.choice(targets), rng.choice(learners)


class _Draft:
    """One assignment in the making. Its uuids follow from that of its configuration, which the seed decides."""

    def __init__(
        self, configuration: Configuration, target: Target, learner: Learner, number: int, rng: Random
    ) -> None:
        self.configuration, self.target, self.learner = configuration, target, learner
        self.number, self.rng = number, rng
        self.uuid = stable_uuid(0, "assignment", configuration.uuid, number)
        self.state = self._state()
        self.allocated = self._allocated()
        self.moments: dict[str, datetime] = {"allocated": self.allocated}
        self.actions: list[Action] = []

    def _state(self) -> str:
        if self.number < FIRST:
            return FIRST_STATES[self.number % len(FIRST_STATES)]
        return self.rng.choices([*STATES], [*STATES.values()])[0]

    def _allocated(self) -> datetime:
        """Some weeks before day 0; longer ago for what has expired. Some instants have a fraction of a second."""
        most = 20 if self.number < FIRST else 80
        days = self.rng.uniform(91, 300) if self.state == "expired" else self.rng.uniform(1, most)
        batch = EPOCH - timedelta(days=days)
        return batch.replace(microsecond=0 if self.number % 3 else 250_000)

    def assignment(self) -> Assignment:
        """The assignment, with the actions that brought it into its state."""
        self._invite()
        steps = {
            "allocated": self._remind,
            "accepted": self._accept,
            "cancelled": self._cancel,
            "expired": self._expire,
            "errored": self._fail,
            "reversed": self._reverse,
        }
        steps[self.state]()
        learner = self.learner
        retired = self.state == "expired" and self.number % 3 == 0
        return Assignment(
            self.uuid,
            self.configuration,
            self.target,
            f"retired_user{self.uuid.replace('-', '')[:16]}@retired.invalid" if retired else learner.email,
            learner.lms_user_id,
            self.state,
            self.moments,
            tuple(self.actions),
            self._named("transaction") if self.state in ("accepted", "reversed") else None,
            self._named("batch"),
            ADMINS[self.number % len(ADMINS)],
            self._named("credit-request") if not self.target.run_based and self.number % 9 == 4 else None,
        )

    def _named(self, *names: object) -> str:
        return stable_uuid(0, self.uuid, *names)

    def _add(self, kind: str, after: timedelta, error: str | None = None, ended: bool = True) -> datetime:
        """Add an action so long after the one before; returns when it was completed, or failed."""
        created = (self.actions[-1].created if self.actions else self.allocated) + after
        completed = created + timedelta(seconds=3)
        uuid = self._named("action", len(self.actions))
        self.actions.append(Action(uuid, kind, created, completed if ended and error is None else None, error))
        return completed

    def _invite(self) -> None:
        """Link the learner and notify them; of allocated ones a few mails failed, or are still on their way."""
        if self.learner.lms_user_id is not None:
            self._add("learner_linked", timedelta(seconds=5))
        trouble = self.rng.random() if self.state == "allocated" else 1
        if trouble < 0.1:
            self._add("notified", timedelta(seconds=20), "email_error")
        else:
            self._add("notified", timedelta(seconds=20), ended=trouble >= 0.2)

    def _later(self) -> timedelta:
        """Some hours, within what is left before day 0."""
        left = EPOCH - self.actions[-1].created
        return left * self.rng.uniform(0.05, 0.4)

    def _remind(self) -> None:
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            self._add("reminded", self._later(), self.rng.choice((None, None, None, "email_error")))

    def _accept(self) -> None:
        self._remind()
        self.moments["accepted"] = self._add("redeemed", self._later())

    def _fail(self) -> None:
        self.moments["errored"] = self._add("redeemed", self._later(), "enrollment_error")

    def _cancel(self) -> None:
        """Upstream never sets when an assignment was cancelled."""
        self._add("cancelled", self._later())
        if self.rng.random() < 0.4:
            self._add("cancelled_acknowledged", self._later())

    def _expire(self) -> None:
        moment = self.allocated + timedelta(days=90)
        self.moments["expired"] = self._add("expired", moment - self.actions[-1].created)
        if self.rng.random() < 0.4:
            self._add("expired_acknowledged", self._later())

    def _reverse(self) -> None:
        self.moments["accepted"] = self._add("redeemed", self._later())
        self.moments["reversed"] = self._add("reversed", self._later())


def stamp(when: datetime | None) -> str | None:
    """An instant as enterprise-access writes it; null stays null."""
    return when and instant(when)
