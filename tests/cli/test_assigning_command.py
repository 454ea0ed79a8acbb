"""The verbs that write to learners, as a person types them: what they print and refuse, and their exit status."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from pytest_httpserver import HTTPServer
from support.assignments import COURSE, DAY, NOW, RUN, Budget
from support.command import Command
from werkzeug import Request, Response

POLICY, CONFIGURATION, CUSTOMER = (str(UUID(int=number)) for number in (5, 4, 1))
CONTENT = f"/api/v2/enterprise-catalogs/{UUID(int=2)}/get_content_metadata/"
AS_OF = "2026-06-01T12:00:00Z"


@pytest.fixture
def course(budget: Budget) -> int:
    """A course of 2,600 dollars, read just before AS_OF."""
    course = budget.course(price=Decimal(2_600), price_from="fixed", advertised_run_key=RUN, fetched_at=AS_OF)
    budget.run(course, fetched_at=AS_OF)
    return course


def allocate(command: Command, *more: str, content: str = COURSE, cents: int = 260_000, status: int = 0) -> Any:
    arguments = ["--content", content, "--price-cents", str(cents), "--as-of", AS_OF, *more]
    return command.json("assignments", "allocate", POLICY, *arguments, status=status)


def test_learners_are_assigned_reminded_and_let_go(command: Command, budget: Budget, course: int) -> None:
    addresses = command.home / "addresses.txt"
    addresses.write_text("ann@acme.example\nbob@acme.example\n")
    told = allocate(command, "--emails", str(addresses), "--email", "ANN@acme.example", "--admin", "3")
    assert [len(told[name]) for name in ("created", "updated", "no_change", "warnings")] == [2, 0, 0, 0]
    assert (told["outcome"], told["reason"], told["message"]) == ("allocated", None, None)
    ann, bob = (one["uuid"] for one in told["created"])
    assert told["created"][0]["earliest_possible_expiration"]["reason"] == "NINETY_DAYS_PASSED"
    reminded = command.json("assignments", "remind", "--all", "--email", "ann@acme.example", "--as-of", AS_OF)
    assert reminded["counts"] == {"reminded": 1}
    assert {row["uuid"] for row in reminded["assignments"]} <= {ann, bob}
    assert command.json("assignments", "cancel", "--all", "--dry-run")["counts"] == {"cancelled": 2}
    assert command.json("assignments", "cancel", ann, bob)["counts"] == {"cancelled": 2}
    assert command.json("assignments", "cancel", "--all")["counts"] == {}
    assert command.json("assignments", "remind", ann, status=3)["counts"] == {"not_remindable": 1}
    kinds = budget.rows("SELECT kind, count(*) AS n FROM ops.outbox GROUP BY 1 ORDER BY 1")
    assert [tuple(row.values()) for row in kinds] == [
        ("assignment_cancelled", 2),
        ("assignment_created", 2),
        ("assignment_reminder", 1),
    ]


def test_what_cannot_be_taken_back_is_told_with_the_reason_and_what_to_do(command: Command, budget: Budget) -> None:
    budget.assign(state="expired")
    (row,) = budget.rows("SELECT uuid::text FROM catalog.content_assignment")
    uuid = row["uuid"]
    said = " ".join(command("assignments", "cancel", uuid, str(UUID(int=99)), status=3).stdout.split())
    assert "It has expired, and costs nothing any more: allocate it again if it is wanted." in said
    assert "There is no such assignment: `catalog-pipeline assignments list` shows those there are." in said
    told = command.json("assignments", "cancel", uuid, status=3)
    assert told == {"counts": {"not_cancelable": 1}, "assignments": [{"uuid": uuid, "outcome": "not_cancelable"}]}


def test_a_list_shows_the_beginning_of_a_title_that_has_no_end(command: Command, budget: Budget) -> None:
    budget.assign(content_title="x" * 1_000_000)
    assert command("assignments", "list").stdout.count("x") < 2_000
    assert command.json("assignments", "list")["assignments"][0]["content_title"] == "x" * 1_000_000


def test_a_refusal_is_told_with_status_4(command: Command, budget: Budget, course: int) -> None:
    told = allocate(command, "--email", "ann@acme.example", cents=1, status=4)
    assert (told["outcome"], told["reason"]) == ("refused", "price_out_of_range")
    said = command(
        *("assignments", "allocate", POLICY, "--content", COURSE, "--price-cents", "1", "--as-of", AS_OF),
        *("--email", "ann@acme.example"),
        status=4,
    )
    assert "Nothing was allocated (price_out_of_range)." in said.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["allocate", POLICY, "--content", COURSE, "--price-cents", "1", "--email", "ann"], "'ann'"),
        (
            ["allocate", str(UUID(int=99)), "--content", COURSE, "--price-cents", "1", "--email", "a@b.example"],
            "no pol",
        ),
        (["allocate", "budget", "--content", COURSE, "--price-cents", "1"], "'budget' is no uuid"),
        (["remind"], "Give uuids, or --all"),
        (["cancel", str(UUID(int=9)), "--all"], "Give uuids, or --all"),
        (["cancel", str(UUID(int=9)), "--state", "allocated"], "Give uuids, or --all"),
        (["remind", "--all", "--state", "lost"], "'lost' is no state"),
        (["nudge", str(UUID(int=9))], "--configuration"),
        (["nudge", str(UUID(int=9)), "--configuration", str(UUID(int=98))], "no assignment configuration"),
        (["acknowledge", str(UUID(int=9)), "--configuration", CONFIGURATION, "--learner", "7"], "None of these"),
        (["preview", str(UUID(int=9)), "--mail", "create"], "no assignment"),
        (["remind", "--all", "--as-of", "9999-12-31"], "too far away"),
        (["nudge", "--days", "999999999"], "Invalid value"),
        (["list", "--offset", "99999999999999999999"], "Invalid value"),
        (
            [*("allocate", POLICY, "--content", COURSE, "--price-cents", "1"), "--admin", "99999999999999999999"],
            "Invalid value",
        ),
    ],
)
def test_what_is_typed_wrongly_is_told_with_status_2(
    command: Command, budget: Budget, arguments: list[str], said: str
) -> None:
    assert said in command("assignments", *arguments, status=2).stderr


def test_a_preview_shows_the_mail_and_sends_none(command: Command, budget: Budget, course: int) -> None:
    command.env["CATALOG_LEARNER_PORTAL_URL"] = "https://portal.example.org/"
    (made,) = allocate(command, "--email", "ann@acme.example", "--dry-run")["created"]
    assert budget.rows("SELECT * FROM catalog.content_assignment") == []
    (made,) = allocate(command, "--email", "ann@acme.example")["created"]
    (mail,) = command.json("assignments", "preview", made["uuid"], "--mail", "create")
    assert set(mail) == {"uuid", "kind", "subject", "properties", "text", "html"}
    assert mail["properties"]["learner_portal_link"] == "https://portal.example.org/acme"
    assert (
        "https://portal.example.org/acme" in command("assignments", "preview", made["uuid"], "--mail", "create").stdout
    )
    assert budget.rows("SELECT count(*) AS n FROM ops.outbox") == [{"n": 1}]


def test_a_learner_sees_what_may_be_spent_until_it_is_acknowledged(
    command: Command, budget: Budget, course: int
) -> None:
    budget.insert("enterprise_learner", enterprise_customer_id=budget.customer, lms_user_id=7, email="ann@acme.example")
    (made,) = allocate(command, "--email", "ann@acme.example")["created"]
    options = ("--customer", CUSTOMER, "--learner", "7")
    (policy,) = command.json("credits-available", *options)
    assert (policy["uuid"], policy["remaining_balance"], policy["remaining_balance_per_user"]) == (
        *(POLICY, 1_000_000),
        None,
    )
    (assignment,) = policy["learner_content_assignments"]
    assert (assignment["uuid"], assignment["learner_acknowledged"]) == (made["uuid"], None)
    assert assignment["content_metadata"]["course_type"] is None
    command("assignments", "cancel", made["uuid"], "--as-of", AS_OF)
    done = command.json("assignments", "acknowledge", made["uuid"], "--configuration", CONFIGURATION, "--learner", "7")
    assert done == {"acknowledged": [made["uuid"]], "already_acknowledged": [], "unacknowledged": []}
    assert command.json("credits-available", *options) == []
    assert command.json("credits-available", "--customer", CUSTOMER, "--learner", "8") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_addresses_is_read_as_windows_writes_it(
    command: Command, budget: Budget, course: int, encoding: str
) -> None:
    addresses = command.home / "addresses.txt"
    addresses.write_bytes("ann@acme.example\r\nbob@acme.example\r\n".encode(encoding))
    assert len(allocate(command, "--emails", str(addresses), "--dry-run")["created"]) == 2


def test_learners_are_nudged_and_addresses_cleared(command: Command, budget: Budget) -> None:
    course = budget.course(course_type="executive-education-2u")
    budget.run(course, start=NOW + 30 * DAY)
    budget.assign(state="accepted", preferred_course_run_key=RUN)
    told = {"state": "expired", "expired_at": NOW, "expired_reason": "NINETY_DAYS_PASSED"}
    expired = budget.assign("bob@acme.example", **told)
    budget.insert("assignment_action", content_assignment_id=expired, action_type="expired", completed_at=NOW)
    budget.rebuild()
    ann, bob = (str(row["uuid"]) for row in budget.rows("SELECT uuid FROM catalog.content_assignment ORDER BY id"))
    for dry_run in (["--dry-run"], []):
        done = command.json("assignments", "nudge", "--as-of", AS_OF, *dry_run)
        assert done == {"nudged": [ann], "not_nudged": []}
        done = command.json("assignments", "clear-pii", "--as-of", AS_OF, *dry_run)
        assert done == {"cleared": 1, "assignments": [bob]}
    named = ("assignments", "nudge", ann, bob, str(UUID(int=99)), "--configuration", CONFIGURATION, "--as-of", AS_OF)
    assert command.json(*named, status=3) == {
        "nudged": [],
        "not_nudged": [
            {"uuid": ann, "reason": "already_nudged"},
            {"uuid": bob, "reason": "not_accepted"},
            {"uuid": str(UUID(int=99)), "reason": "unknown"},
        ],
    }
    assert "1 already nudged" in command("assignments", "nudge", "--as-of", AS_OF).stdout
    assert command("assignments", "clear-pii", "--as-of", AS_OF).stdout == "0 cleared.\n"
    assert budget.rows("SELECT kind FROM ops.outbox") == [{"kind": "assignment_nudge"}]


def test_instants_are_told_in_utc_whatever_the_environment_and_the_zone_that_was_typed(
    command: Command, budget: Budget
) -> None:
    budget.assign(allocated_at=NOW - 100 * DAY)
    command.env |= {"PGTZ": "Asia/Tokyo", "TZ": "Asia/Tokyo", "PGDATESTYLE": "German"}
    told = command.json("assignments", "expire", "--as-of", "2026-06-01T21:00:00+09:00")
    assert told["as_of"] == "2026-06-01T12:00:00+00:00"
    assert told["assignments"][0]["date"] == "2026-05-22T12:00:00+00:00"
    (shown,) = command.json("assignments", "list")["assignments"]
    assert (shown["expired_at"], shown["allocated_at"]) == ("2026-06-01T12:00:00+00:00", "2026-02-21T12:00:00+00:00")
    assert shown["actions"][0]["created"] == "2026-06-01T12:00:00+00:00"


def test_what_only_asks_calls_no_upstream(
    command: Command, budget: Budget, course: int, httpserver: HTTPServer
) -> None:
    budget.assign(lms_user_id=7)
    budget.rebuild()
    (row,) = budget.rows("SELECT uuid FROM catalog.content_assignment")
    uuid = str(row["uuid"])
    for service in ("ENTERPRISE_CATALOG", "ENTERPRISE_ACCESS", "SUBSIDY"):
        command.env[f"CATALOG_{service}_URL"] = httpserver.url_for("").rstrip("/")
    command("assignments", "list", "--search", "lead", "--sort", "expiration")
    command("assignments", "show", uuid)
    command("explain", uuid)
    command("assignments", "preview", uuid, "--mail", "create")
    command("credits-available", "--customer", CUSTOMER, "--learner", "7")
    command("enterprise", "catalogs")
    command("enterprise", "content", COURSE)
    command("assignments", "rebuild", "--full")
    command("assignments", "expire", "--dry-run")
    assert httpserver.log == []


class Upstream:
    """enterprise-catalog with one course, and the subsidy's summary of it."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.is_up, self.asked = True, 0
        self.cents: Any = 260_000
        server.expect_request(CONTENT).respond_with_handler(self.content)
        summary = f"/api/v1/content-metadata/{COURSE}/"
        server.expect_request(summary).respond_with_handler(lambda _: self.answer({"content_price": self.cents}))

    def content(self, request: Request) -> Response:
        self.asked += 1
        wanted = request.args.getlist("content_keys")
        found = [{"key": COURSE, "content_type": "course", "title": "Leading", "course_runs": []}]
        results = found if COURSE in wanted else []
        return self.answer({"count": len(results), "next": None, "previous": None, "results": results})

    def answer(self, body: Any) -> Response:
        return Response(orjson.dumps(body), 200 if self.is_up else 503, content_type="application/json")


@pytest.fixture
def upstream(command: Command, httpserver: HTTPServer) -> Upstream:
    found = Upstream(httpserver)
    command.env |= {"CATALOG_ENTERPRISE_CATALOG_URL": found.url, "CATALOG_SUBSIDY_URL": found.url}
    command.env["CATALOG_REQUEST_RETRIES"] = "0"
    return found


def test_content_that_is_not_held_is_fetched_once_and_priced_by_the_subsidy(
    command: Command, budget: Budget, upstream: Upstream
) -> None:
    arguments = ("assignments", "allocate", POLICY, "--content", COURSE, "--price-cents", "260000", "--email")
    told = command.json(*arguments, "ann@acme.example")
    assert (len(told["created"]), told["created"][0]["content_title"]) == (1, "Leading")
    assert upstream.asked == 1
    assert len(command.json(*arguments, "bob@acme.example")["created"]) == 1
    assert upstream.asked == 1
    upstream.cents = 100
    assert command.json(*arguments, "eve@acme.example", status=4)["reason"] == "price_out_of_range"
    for nonsense in (None, "260000", -1, 26.5, True):
        upstream.cents = nonsense
        assert command.json(*arguments, "eve@acme.example", status=4)["reason"] == "price_unknown"
    upstream.is_up = False
    told = command.json(*arguments, "eve@acme.example", status=4)
    assert told["reason"] == "price_unknown"
    assert "the subsidy's cannot be read" in told["warnings"][0]


def test_a_dry_run_fetches_content_says_the_same_and_keeps_nothing(
    command: Command, budget: Budget, upstream: Upstream
) -> None:
    arguments = ("assignments", "allocate", POLICY, "--content", COURSE, "--price-cents", "260000")
    arguments = (*arguments, "--email", "ann@acme.example", "--as-of", AS_OF)
    written = """
        SELECT (SELECT count(*) FROM landing.document) AS documents, (SELECT count(*) FROM ops.load) AS loads,
               (SELECT count(*) FROM ops.change_event) AS events, (SELECT count(*) FROM ops.outbox) AS mails,
               (SELECT count(*) FROM landing.upstream) AS upstreams"""
    before = budget.rows(written)
    tried = command.json(*arguments, "--dry-run")
    assert (len(tried["created"]), tried["created"][0]["content_title"], upstream.asked) == (1, "Leading", 1)
    assert budget.rows(written) == before
    done = command.json(*arguments)
    assert upstream.asked == 2
    (would_be,), (made,) = tried.pop("created"), done.pop("created")
    assert tried == done
    for name in ("learner_email", "content_title", "content_quantity", "state", "earliest_possible_expiration"):
        assert would_be[name] == made[name]


def test_content_that_the_catalog_does_not_have_is_refused(
    command: Command, budget: Budget, upstream: Upstream
) -> None:
    told = command.json(
        "assignments", "allocate", POLICY, "--content", "A+Z", "--price-cents", "1", "--email", "a@b.example", status=4
    )
    assert told["reason"] == "content_not_in_catalog"


def test_an_old_copy_is_used_with_a_warning_while_upstream_is_down(
    command: Command, budget: Budget, course: int, upstream: Upstream
) -> None:
    upstream.is_up = False
    arguments = ("assignments", "allocate", POLICY, "--price-cents", "260000", "--email", "ann@acme.example")
    told = command.json(*arguments, "--content", COURSE)
    assert len(told["created"]) == 1
    assert "cannot be read now" in told["warnings"][0]
    missing = command(*arguments, "--content", "A+Z", status=5)
    assert "503" in missing.stderr
    assert json.loads(command("status", "--json").stdout)


def test_a_file_of_addresses_that_cannot_be_read_is_told(command: Command, budget: Budget, tmp_path: Path) -> None:
    arguments = ("assignments", "allocate", POLICY, "--content", COURSE, "--price-cents", "1", "--emails")
    assert "cannot be read" in command(*arguments, str(tmp_path / "none.txt"), status=2).stderr
