"""The sample's enterprise customers: their catalogs, subsidies, policies, assignment configurations and learners.

Some customers are served by enterprise-access; the assignments of the others are in a file that is imported.
Nothing here depends on the catalog's size but how many learners there are.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from unicodedata import normalize
from zlib import crc32

from catalog_pipeline.sample import vocabulary as words
from catalog_pipeline.sample.payloads import Document, slugify
from catalog_pipeline.sample.records import EXECUTIVE_EDUCATION, Course, instant, moment, stable_uuid

ASSIGNED = "AssignedLearnerCreditAccessPolicy"
PER_LEARNER_SPEND = "PerLearnerSpendCreditAccessPolicy"
PER_LEARNER_ENROLLMENT = "PerLearnerEnrollmentCreditAccessPolicy"
COURSES_A_LEARNER = 4
FEWEST_LEARNERS = 3


@dataclass(frozen=True, eq=False, slots=True)
class Customer:
    """An enterprise customer. One that is not `served` has its policies and assignments in the imported files."""

    uuid: str
    name: str
    slug: str
    contact_email: str
    served: bool = True

    def document(self) -> Document:
        """The fields of its own: no service sends more than its uuid and name."""
        return {"uuid": self.uuid, "name": self.name, "slug": self.slug, "contact_email": self.contact_email}


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """What a catalog's query finds: a share of the courses in per cent, and all executive education if `executive`.

    `watched`: also the awkward courses, and those that the first days change. `runs`: some runs are rows of their own.
    `restricted`: runs that are restricted to enterprises are allowed.
    """

    share: int = 0
    executive: bool = False
    restricted: bool = False
    runs: bool = False
    watched: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class EnterpriseCatalog:
    """A catalog of a customer. One without a `selection` has no query, and is empty.

    One that is not `listed` is missing from the list of catalogs, and its content is served all the same.
    """

    uuid: str
    title: str
    customer: Customer
    selection: Selection | None
    listed: bool = True

    def document(self) -> Document:
        """As enterprise-catalog lists it."""
        return {
            "uuid": self.uuid,
            "title": self.title,
            "enterprise_customer": self.customer.uuid,
            "enterprise_customer_name": self.customer.name,
        }

    def includes(self, course: Course, watched: frozenset[str]) -> bool:
        """Whether the query finds a course; `watched` are the uuids of courses that the first days change."""
        query = self.selection
        if query is None:
            return False
        by_chance = crc32(f"{self.uuid}/{course.uuid}".encode()) % 100 < query.share
        executive = query.executive and course.course_type == EXECUTIVE_EDUCATION
        return by_chance or executive or (query.watched and (course.pinned or course.uuid in watched))


@dataclass(frozen=True, eq=False, slots=True)
class Subsidy:
    """A customer's money. The end of one that `moves` is some days later every day."""

    uuid: str
    title: str
    customer: Customer
    ends: datetime | None
    balance: int
    moves: int = 0
    served: bool = True

    def expiration(self, day: int) -> datetime | None:
        """When it ends, as said on that day."""
        return self.ends and self.ends + timedelta(days=self.moves * day)

    def document(self, day: int, today: datetime) -> Document:
        """As enterprise-subsidy lists it; the balance is in cents. An imported one has its end with an offset."""
        ends = self.expiration(day)
        return {
            "uuid": self.uuid,
            "title": self.title,
            "enterprise_customer_uuid": self.customer.uuid,
            "expiration_datetime": ends and (instant(ends) if self.served else ends.isoformat()),
            "is_active": ends is None or ends > today,
            "current_balance": self.balance,
        }


@dataclass(frozen=True, eq=False, slots=True)
class Configuration:
    """What assignments hang on. `share` is its part of all assignments, in per cent."""

    uuid: str
    customer: Customer
    share: int
    active: bool = True

    def document(self) -> Document:
        """As enterprise-access lists it."""
        return {"uuid": self.uuid, "enterprise_customer_uuid": self.customer.uuid, "active": self.active}


@dataclass(frozen=True, eq=False, slots=True)
class Policy:
    """A budget: who may spend how much of a subsidy on what of a catalog. Money is in cents."""

    uuid: str
    title: str
    catalog: EnterpriseCatalog
    subsidy: Subsidy
    policy_type: str = ASSIGNED
    access_method: str = "assigned"
    active: bool = True
    retired_at: str | None = None
    spend_limit: int | None = None
    per_learner_spend: int | None = None
    per_learner_enrollments: int | None = None
    late_until: str | None = None
    created: str = moment(-400)
    configuration: Configuration | None = None
    groups: tuple[str, ...] = ()
    redeemed: int = 0

    @property
    def customer(self) -> Customer:
        """The customer whose subsidy it spends."""
        return self.subsidy.customer

    def document(self, redeemed: int) -> Document:
        """As enterprise-access lists it.

        `assignment_configuration` is the configuration's uuid, or null: upstream's model has a foreign key there, and
        an assignment names its configuration in the same way. `amount_redeemed_usd_cents` has no sign.
        """
        return {
            "uuid": self.uuid,
            "display_name": self.title,
            "enterprise_customer_uuid": self.customer.uuid,
            "policy_type": self.policy_type,
            "access_method": self.access_method,
            "active": self.active,
            "retired": self.retired_at is not None,
            "retired_at": self.retired_at,
            "catalog_uuid": self.catalog.uuid,
            "subsidy_uuid": self.subsidy.uuid,
            "spend_limit": self.spend_limit,
            "per_learner_enrollment_limit": self.per_learner_enrollments,
            "per_learner_spend_limit": self.per_learner_spend,
            "late_redemption_allowed_until": self.late_until,
            "created": self.created,
            "assignment_configuration": self.configuration and self.configuration.uuid,
            "group_associations": list(self.groups),
            "aggregates": {"amount_redeemed_usd_cents": self.redeemed + redeemed},
        }


@dataclass(frozen=True, eq=False, slots=True)
class Learner:
    """A customer's learner, whom the LMS knows or (without an id) does not know yet."""

    customer: Customer
    email: str
    lms_user_id: int | None
    groups: tuple[str, ...] = ()

    def document(self) -> Document:
        """As the imported file has it; no service sends learners."""
        return {
            "enterprise_customer_uuid": self.customer.uuid,
            "lms_user_id": self.lms_user_id,
            "email": self.email,
            "group_uuids": list(self.groups),
        }


@dataclass(eq=False)
class Customers:
    """All of it, in the order in which upstream's lists have it."""

    customers: list[Customer]
    catalogs: list[EnterpriseCatalog]
    subsidies: list[Subsidy]
    configurations: list[Configuration]
    policies: list[Policy]
    learners: list[Learner] = field(default_factory=list)

    def policy_of(self, configuration: Configuration) -> Policy | None:
        """The policy of a configuration; None where it has none."""
        return next((policy for policy in self.policies if policy.configuration is configuration), None)

    def learners_of(self, customer: Customer) -> list[Learner]:
        """A customer's learners."""
        return [learner for learner in self.learners if learner.customer is customer]


def build_customers(courses: int, seed: int) -> Customers:
    """The customers of a seed, with learners for a catalog of that many courses."""
    made = _Maker(seed).customers()
    for customer in made.customers:
        made.learners += _learners(customer, courses, seed)
    return made


class _Maker:
    """Makes each record with a uuid of its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _uuid(self, *names: object) -> str:
        return stable_uuid(self.seed, "enterprise", *names)

    def customers(self) -> Customers:
        halden = self._customer("Halden Freight")
        osprey = self._customer("Osprey Insurance")
        brindle = self._customer("Brindle and Moss")
        calloway = self._customer("Calloway Clinics", served=False)
        tarn = self._customer("Tarn Energy", served=False)
        catalogs = self._catalogs(halden, osprey, brindle, calloway, tarn)
        subsidies = self._subsidies(halden, osprey, brindle, calloway, tarn)
        configurations = [
            self._configuration(customer, number, share, active)
            for number, (customer, share, active) in enumerate(
                [
                    (halden, 20, True),
                    (osprey, 20, True),
                    (osprey, 5, False),
                    (brindle, 15, True),
                    (brindle, 5, True),
                    (calloway, 20, True),
                    (tarn, 10, True),
                    (tarn, 5, True),
                ]
            )
        ]
        policies = self._served_policies(catalogs, subsidies, configurations)
        policies += self._imported_policies(catalogs, subsidies, configurations)
        return Customers([halden, osprey, brindle, calloway, tarn], catalogs, subsidies, configurations, policies)

    def _customer(self, name: str, served: bool = True) -> Customer:
        slug = slugify(name)
        return Customer(self._uuid("customer", name), name, slug, f"learning@{slug}.example", served)

    def _configuration(self, customer: Customer, number: int, share: int, active: bool) -> Configuration:
        return Configuration(self._uuid("configuration", number), customer, share, active)

    def _catalogs(self, *customers: Customer) -> list[EnterpriseCatalog]:
        halden, osprey, brindle, calloway, tarn = customers
        rows = [
            ("All Courses", halden, Selection(72, runs=True, watched=True), True),
            ("Executive Education", halden, Selection(executive=True, restricted=True), True),
            ("Technology and Data", osprey, Selection(35, watched=True), True),
            ("To Be Chosen", osprey, None, True),
            ("Professional Skills", brindle, Selection(25, restricted=True, runs=True), True),
            ("Clinical Leadership", calloway, Selection(40, executive=True, restricted=True, watched=True), True),
            ("Energy Transition", tarn, Selection(14), True),
            ("Field Crews", tarn, Selection(10), False),
        ]
        return [
            EnterpriseCatalog(self._uuid("catalog", title), title, customer, selection, listed)
            for title, customer, selection, listed in rows
        ]

    def _subsidies(self, *customers: Customer) -> list[Subsidy]:
        halden, osprey, brindle, calloway, tarn = customers
        rows = [
            (
                "Halden Learning Budget",
                halden,
                datetime(2028, 6, 30, 23, 59, 59, 999_999, tzinfo=UTC),
                90_000_000,
                0,
                True,
            ),
            ("Osprey Open Budget", osprey, None, 40_000_000, 0, True),
            ("Osprey Budget of 2025", osprey, datetime(2025, 11, 30, tzinfo=UTC), 1_250_000, 0, True),
            ("Brindle Budget", brindle, datetime(2026, 3, 20, tzinfo=UTC), 25_000_000, 3, True),
            ("Calloway Budget", calloway, datetime(2026, 3, 1, 12, tzinfo=UTC), 60_000_000, 2, True),
            ("Tarn Budget", tarn, datetime(2029, 12, 31, 23, 59, 59, tzinfo=UTC), 30_000_000, 0, False),
        ]
        return [
            Subsidy(self._uuid("subsidy", title), title, customer, ends, balance, moves, served)
            for title, customer, ends, balance, moves, served in rows
        ]

    def _served_policies(
        self, catalogs: list[EnterpriseCatalog], subsidies: list[Subsidy], configurations: list[Configuration]
    ) -> list[Policy]:
        every, executive, technology, empty, skills = catalogs[:5]
        halden, osprey, osprey_old, brindle = subsidies[:4]
        groups = (self._uuid("group", "halden", 1), self._uuid("group", "halden", 2))
        return [
            Policy(self._uuid("policy", 0), "Leaders", executive, halden, spend_limit=60_000_000,
                   configuration=configurations[0]),
            Policy(self._uuid("policy", 1), "Everyone", every, halden, PER_LEARNER_SPEND, "direct",
                   spend_limit=20_000_000, per_learner_spend=200_000, groups=groups, redeemed=1_830_000),
            Policy(self._uuid("policy", 2), "Engineers", technology, osprey, spend_limit=30_000_000,
                   created=moment(-300, 120_000), configuration=configurations[1]),
            Policy(self._uuid("policy", 3), "On Request", technology, osprey, PER_LEARNER_ENROLLMENT, "request",
                   per_learner_enrollments=2, redeemed=412_000),
            Policy(self._uuid("policy", 4), "Engineers 2025", empty, osprey_old, retired_at=moment(-36),
                   spend_limit=5_000_000, configuration=configurations[2]),
            Policy(self._uuid("policy", 5), "Certificates", skills, brindle, spend_limit=10_000_000,
                   late_until=moment(30), configuration=configurations[3]),
            Policy(self._uuid("policy", 6), "Paused", skills, brindle, PER_LEARNER_SPEND, "direct", active=False,
                   per_learner_spend=50_000),
        ]  # fmt: skip

    def _imported_policies(
        self, catalogs: list[EnterpriseCatalog], subsidies: list[Subsidy], configurations: list[Configuration]
    ) -> list[Policy]:
        clinical, energy, crews = catalogs[5:]
        calloway, tarn = subsidies[4:]
        return [
            Policy(self._uuid("policy", 7), "Heads of Department", clinical, calloway, spend_limit=50_000_000,
                   configuration=configurations[5]),
            Policy(self._uuid("policy", 8), "Nurses", clinical, calloway, PER_LEARNER_SPEND, "direct",
                   per_learner_spend=150_000, groups=(self._uuid("group", "calloway", 1),), redeemed=96_000),
            Policy(self._uuid("policy", 9), "Planners", energy, tarn, spend_limit=9_000_000,
                   configuration=configurations[6]),
            Policy(self._uuid("policy", 10), "Crews", crews, tarn, spend_limit=4_000_000,
                   configuration=configurations[7]),
        ]  # fmt: skip


def _learners(customer: Customer, courses: int, seed: int) -> list[Learner]:
    """Learners with names that are each given once; every fifth is not yet known to the LMS."""
    rng = Random(f"{seed}/learners/{customer.name}")
    names = [(given, family) for given in words.GIVEN_NAMES for family in words.FAMILY_NAMES]
    chosen = rng.sample(names, min(len(names), FEWEST_LEARNERS + courses // COURSES_A_LEARNER) if courses else 0)
    group = stable_uuid(seed, "enterprise", "group", slugify(customer.name).split("-")[0], 1)
    return [
        Learner(
            customer,
            f"{_ascii(given)}.{_ascii(family)}@{customer.slug}.example",
            None if position % 5 == 4 else rng.randrange(10_000, 10_000_000),
            (group,) if position % 3 == 0 else (),
        )
        for position, (given, family) in enumerate(chosen)
    ]


def _ascii(name: str) -> str:
    """A name as the part of an address before the @."""
    return normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
