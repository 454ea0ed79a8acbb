"""Every fault of an upstream, once and for good: what is published, what is missing, what is asked, what is said."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from starlette.middleware import Middleware
from support.databases import Databases
from support.snapshot import snapshot

from catalog_pipeline.database.engine import Server, connected, make_engine
from catalog_pipeline.errors import CatalogError, ExitCode
from catalog_pipeline.replication.refresh import refresh
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.faults import COURSES, FAULTS, Fault, Faults
from catalog_pipeline.sample.server import SampleServer
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.tokens import Credentials
from catalog_pipeline.sources.upstreams import Upstreams

SIZE = 60
PAGE_SIZE = 10
TOKEN = "/oauth2/access_token"
SLOW = ("hang", "drip", "continue")
"""The faults that are given up when a second has passed. A busy machine may read the pages of others as slowly."""


def impatient(faults: Sequence[Fault]) -> Settings:
    deadline = 1.0 if any(fault.kind.endswith(SLOW) for fault in faults) else 30.0
    quick = {"retry_backoff": 0.01, "request_retries": 2, "page_deadline": deadline, "rate_limit_wait": 5}
    # One page at a time, so that how often each is asked for does not depend on who is faster.
    return Settings(_env_file=None, page_size=PAGE_SIZE, parallel_pages=1, **quick)  # pyright: ignore[reportCallIssue]


@dataclass
class Served:
    """The sample upstream, with its faults."""

    server: SampleServer
    done: Counter[Fault]
    faults: Sequence[Fault]

    def refresh(self, engine: Engine) -> str | None:
        """Refresh discovery in full; returns None, or what a person reads (its exit code first)."""
        credentials = Credentials(f"{self.server.url}{TOKEN}", self.server.client_id, self.server.client_secret)
        found = Upstreams(impatient(self.faults), {"discovery": self.server.url}, credentials)
        try:
            refresh(engine, found, "discovery", full=True)
        except CatalogError as error:
            return f"exit {int(error.exit_code)}: {error}"
        return None


@contextmanager
def served(day: int, *faults: Fault) -> Iterator[Served]:
    done: Counter[Fault] = Counter()
    with SampleServer(
        build_catalog(SIZE, 1), day=day, middleware=[Middleware(Faults, faults=faults, done=done)]
    ) as server:
        yield Served(server, done, faults)


@contextmanager
def copied(databases: Databases, original: Server) -> Iterator[Engine]:
    """An engine on a copy of a database that nobody is connected to."""
    with databases.copied(original) as server:
        engine = make_engine(server, "test")
        try:
            yield engine
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def yesterday(databases: Databases) -> Iterator[Server]:
    """A database with the catalog of day 0."""
    with databases.copied() as server, served(0) as upstream:
        engine = make_engine(server, "test")
        assert upstream.refresh(engine) is None
        engine.dispose()
        yield server


def missing(found: dict[str, list[str]]) -> list[str]:
    """The documents that are marked missing."""
    return [document for document in found["document"] if document.endswith("True]")]


@dataclass(frozen=True)
class Faultless:
    """What day 1 is when nothing goes wrong: the catalog before and after, and how often the courses are asked for."""

    before: dict[str, list[str]]
    after: dict[str, list[str]]
    pages: int


@pytest.fixture(scope="module")
def faultless(databases: Databases, yesterday: Server) -> Faultless:
    with copied(databases, yesterday) as engine, served(1) as upstream:
        before = snapshot(engine)
        assert upstream.refresh(engine) is None
        after = snapshot(engine)
        assert upstream.server.requests[TOKEN] == 1
        assert upstream.server.requests[COURSES] == SIZE // PAGE_SIZE
        assert len(missing(before)) == 0 < len(missing(after))
        return Faultless(before, after, upstream.server.requests[COURSES])


@pytest.fixture
def engine(databases: Databases, yesterday: Server) -> Iterator[Engine]:
    with copied(databases, yesterday) as found:
        yield found


def crawls(engine: Engine) -> list[str]:
    """The outcomes of the crawls of courses after the first."""
    query = "SELECT outcome FROM landing.crawl WHERE kind = 'course' ORDER BY id OFFSET 1"
    with connected(engine) as connection:
        return list(connection.execute(text(query)).scalars())


# Asked again, all is well: the fault, and how many requests more than without it.
PASSING = {
    "rate-limit": 1,
    "rate-limit-date": 1,
    "server-error": 1,
    "reset": 1,
    "hang": 1,
    "drip": 1,
    "truncated-json": 1,
    "short-body": 1,
    "token-expiry": 1,
    # What goes wrong with a redirect or a token costs a request for it, none for a page but the one that follows.
    **dict.fromkeys(["redirect:plain", "redirect:drip", "redirect:short-body"], 1),
    **dict.fromkeys(["redirect:endless-page", "redirect:gzip-bomb"], 1),
    **dict.fromkeys(["headers:reset", "headers:hang", "headers:drip", "headers:endless", "headers:continue"], 1),
    **dict.fromkeys(["token:rate-limit", "token:rate-limit-date", "token:server-error", "token:reset"], 0),
    **dict.fromkeys(["token:hang", "token:drip", "token:truncated-json", "token:short-body"], 0),
    "repeat": 6,  # too few distinct documents: the list is read again, from its start, for no count moved
    "skip": 6,
    "wrong-count": 0,  # on one page that is not the last, nothing follows from it
    "moving-count": 0,
    "endless-list": 0,  # page 2 has a next one anyway
}


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes_costs_requests_and_nothing_else(engine: Engine, faultless: Faultless, kind: str) -> None:
    fault = Fault(kind)
    with served(1, fault) as upstream:
        assert upstream.refresh(engine) is None
        assert upstream.done[fault] == 1
        assert upstream.server.requests[COURSES] == faultless.pages + PASSING[kind]
        assert upstream.server.requests[TOKEN] == 1 + (kind == "token-expiry" or fault.place == "token")
    assert snapshot(engine) == faultless.after
    assert crawls(engine) == ["complete"]


# For good, the crawl is given up: requests for courses in all, exit code, what is said, outcomes of crawls on record.
TRIES = 3
RESET = "(Connection reset by peer|Remote end closed connection without response)"
"""What a connection that is reset says; which of the two depends on when the reset arrives."""
FAILED = r"page=2 failed 3 times, the last time with: {}\. Check that the upstream is up and that the URL is right"
CHANGED = (
    r"/api/v1/courses/ kept changing while it was read: {} distinct documents of {} in 18 pages\."
    r" Nothing of this crawl was kept; run again later\."
)
TOKEN_FAILED = "failed 3 times, the last time with:"
LASTING: dict[str, tuple[int, ExitCode, str, list[str]]] = {
    "rate-limit": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("status 429, rate limited"), []),
    "rate-limit-date": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("status 429, rate limited"), []),
    "server-error": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("status 500"), []),
    "reset": (
        1 + TRIES,
        ExitCode.UNREACHABLE,
        FAILED.format(RESET),
        [],
    ),
    "hang": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("not read to its end in 1 s"), []),
    "drip": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("not read to its end in 1 s"), []),
    "truncated-json": (
        1 + TRIES,
        ExitCode.UNREACHABLE,
        FAILED.format("an answer that is not the JSON it says it is"),
        [],
    ),
    "short-body": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("the answer broke off before its end"), []),
    "html": (2, ExitCode.UNREACHABLE, "answered 200 with text/html.* instead of JSON: check the upstream's URL", []),
    "token-expiry": (3, ExitCode.UNREACHABLE, "answered 401: check CATALOG_DISCOVERY_CLIENT_ID", []),
    "forbidden": (2, ExitCode.UNREACHABLE, "answered 403: the client's user lacks permission to read this list", []),
    "endless-page": (
        2,
        ExitCode.UNREACHABLE,
        "answered with more than 64 MB, and no end: check the upstream's URL",
        [],
    ),
    "gzip-bomb": (2, ExitCode.UNREACHABLE, "answered with more than 64 MB, and no end: check the upstream's URL", []),
    "headers:reset": (
        1 + TRIES,
        ExitCode.UNREACHABLE,
        FAILED.format(RESET),
        [],
    ),
    "headers:hang": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("not read to its end in 1 s"), []),
    "headers:drip": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("not read to its end in 1 s"), []),
    "headers:endless": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("got more than 100 headers"), []),
    "headers:continue": (1 + TRIES, ExitCode.UNREACHABLE, FAILED.format("not read to its end in 1 s"), []),
    **{
        f"redirect:{kind}": (
            1 + 1 + 3,
            ExitCode.UNREACHABLE,
            "page=2 redirects more than 3 times, the last time to",
            [],
        )
        for kind in ("plain", "drip", "short-body", "endless-page", "gzip-bomb")
    },
    "redirect:elsewhere": (2, ExitCode.UNREACHABLE, "redirects to another origin, 'http://elsewhere.invalid/", []),
    "redirect:nowhere": (2, ExitCode.UNREACHABLE, "redirects to 'http://.nowhere/', which is no address", []),
    **{
        f"token:{kind}": (0, ExitCode.UNREACHABLE, f"{TOKEN} {said}", [])
        for kind, said in {
            **dict.fromkeys(["rate-limit", "rate-limit-date"], f"{TOKEN_FAILED} status 429, rate limited"),
            "server-error": f"{TOKEN_FAILED} status 500",
            "reset": f"{TOKEN_FAILED} {RESET}",
            **dict.fromkeys(["hang", "drip"], f"{TOKEN_FAILED} not read to its end in 1 s"),
            "truncated-json": f"{TOKEN_FAILED} an answer that is not the JSON it says it is",
            "short-body": f"{TOKEN_FAILED} the answer broke off before its end",
            "html": "answered 200 with text/html.* instead of JSON",
            "token-expiry": "answered 401: check CATALOG_DISCOVERY_CLIENT_ID",
            **dict.fromkeys(["endless-page", "gzip-bomb"], "answered with more than 64 MB, and no end"),
        }.items()
    },
}
EVERYWHERE = {
    "moving-count": (
        18,
        ExitCode.REFUSED,
        "kept changing while it was read: 60 distinct documents of 66",
        ["incomplete"],
    ),
    "not-found": (1, ExitCode.UNREACHABLE, "answered 404: check the upstream's URL", []),
    "endless-list": (23, ExitCode.UNREACHABLE, "goes on after page 23, though it counts 60 documents", []),
}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        *((Fault(kind, 2, None), expected) for kind, expected in LASTING.items()),
        *((Fault(kind, None, None), expected) for kind, expected in EVERYWHERE.items()),
    ],
    ids=lambda given: given.kind if isinstance(given, Fault) else "",
)
def test_a_fault_that_lasts_publishes_nothing_and_the_next_run_publishes_all(
    engine: Engine, faultless: Faultless, fault: Fault, expected: tuple[int, ExitCode, str, list[str]]
) -> None:
    requests, code, said, outcomes = expected
    with served(1, fault) as upstream:
        told = upstream.refresh(engine)
        asked = upstream.server.requests[COURSES]
    assert told is not None
    assert told.startswith(f"exit {int(code)}: ")
    assert re.search(said, told), told
    assert asked == requests
    # Nothing is published and nothing marked missing. (Organizations were read before: day 1 leaves them alone.)
    assert snapshot(engine) == faultless.before
    assert crawls(engine) == outcomes
    with served(1) as upstream:
        assert upstream.refresh(engine) is None
    assert snapshot(engine) == faultless.after


# For good, and always the same: what is listed is published, and what is not is left as it stands.
STEADY = {"repeat": (2, 50, SIZE), "skip": (2, 50, SIZE), "wrong-count": (None, SIZE, SIZE + 7)}


@pytest.mark.parametrize("kind", STEADY)
def test_a_list_that_is_short_of_its_count_for_good_is_published_and_marks_nothing_missing(
    engine: Engine, faultless: Faultless, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    page, listed, counted = STEADY[kind]
    with served(1, Fault(kind, page, None)) as upstream:
        assert upstream.refresh(engine) is None
        assert upstream.server.requests[COURSES] == 2 * faultless.pages
    assert f"counts {counted} documents and lists {listed}, in two readings alike" in caplog.text
    assert [document for document in missing(snapshot(engine)) if "course" in document] == []
    assert snapshot(engine) != faultless.before
    assert crawls(engine) == ["complete"]
    with served(1) as upstream:
        assert upstream.refresh(engine) is None
    assert snapshot(engine) == faultless.after


def test_every_fault_is_tried() -> None:
    assert FAULTS.keys() == PASSING.keys() | LASTING.keys() | EVERYWHERE.keys() | STEADY.keys() | {"new-day"}


@pytest.mark.parametrize("page", range(1, 7))
def test_a_day_that_begins_in_mid_crawl_is_whole_after_the_next_run(
    engine: Engine, faultless: Faultless, page: int
) -> None:
    with served(0, Fault("new-day", page)) as upstream:
        told = upstream.refresh(engine)
        assert told is None or "kept changing while it was read" in told
        assert upstream.refresh(engine) is None
    assert snapshot(engine) == faultless.after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "reset@0",
        "reset*0",
        "reset@2*",
        "Reset",
        "page:reset",
        "token:repeat",
        "nowhere/reset",
        "/reset",
    ],
)
def test_a_fault_that_there_is_not_lists_those_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault: give KIND.*rate-limit, rate-limit-date"):
        Fault.parse(text)


def test_a_fault_is_read_from_text() -> None:
    assert Fault.parse("reset") == Fault("reset", 2, 1)
    assert Fault.parse("hang@any*always") == Fault("hang", None, None)
    assert Fault.parse("html@12*3") == Fault("html", 12, 3)
    assert Fault.parse("token:drip*2") == Fault("token:drip", 2, 2)
    assert Fault.parse("content/headers:hang@1") == Fault("headers:hang", 1, 1, "content")
    uuid = str(uuid4())
    assert Fault.parse(f"{uuid}/html@any") == Fault("html", None, 1, uuid)
    assert [Fault(kind).place for kind in ("drip", "headers:drip", "redirect:drip", "token:drip")] == [
        "page",
        "headers",
        "redirect",
        "token",
    ]
