"""What holds a load back or breaks it off, as the person at the terminal meets it."""

import subprocess
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from support.command import Command

from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.faults import Fault, Faults
from catalog_pipeline.sample.server import SampleServer

REFRESH = ("refresh", "discovery", "--full")
STANDING = "select count(*) as n from catalog.catalog_course where missing_since is null"


def pointed(command: Command, upstream: SampleServer) -> None:
    """Let the command use this upstream."""
    command.env |= {
        "CATALOG_DISCOVERY_URL": upstream.url,
        "CATALOG_OAUTH_TOKEN_URL": f"{upstream.url}/oauth2/access_token",
        "CATALOG_DISCOVERY_CLIENT_ID": upstream.client_id,
        "CATALOG_DISCOVERY_CLIENT_SECRET": upstream.client_secret,
    }


def refreshed(
    command: Command, courses: int, *arguments: str, status: int, seed: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run a verb against the sample of that size and seed, at the address of the time before."""
    port = urlsplit(command.env.get("CATALOG_DISCOVERY_URL", "")).port or 0
    with SampleServer(build_catalog(courses, seed), port=port) as upstream:
        pointed(command, upstream)
        return command(*arguments, status=status)


def standing(command: Command) -> int:
    return command.json("sql", STANDING)[0]["n"]


def pending(command: Command) -> int:
    rows = command.json("status")["pending"]
    return sum(row["documents"] for row in rows if row["kind"] == "course")


def test_removals_of_four_fifths_are_held_back_and_pending_until_somebody_accepts_them(command: Command) -> None:
    refreshed(command, 100, *REFRESH, status=3)
    before = standing(command)
    for _ in range(2):
        held = refreshed(command, 19, *REFRESH, status=4)
        assert "are gone upstream, over the 20% of CATALOG_REMOVAL_SHARE" in held.stderr
        assert "run `catalog-pipeline refresh discovery --accept-removals`" in held.stderr
        assert standing(command) == before
        assert {(row["source"], row["table_name"]) for row in command.json("status")["held_removals"]} >= {
            ("discovery", "catalog_course")
        }
        assert pending(command) >= 70  # of some of the 81 that are gone, nothing had been published
    refreshed(command, 19, "refresh", "discovery", "--accept-removals", status=3)
    assert (standing(command), pending(command)) == (18, 0)


def test_a_larger_catalog_in_the_place_of_another_is_held_back(command: Command) -> None:
    refreshed(command, 40, *REFRESH, status=3)
    before = standing(command)
    refreshed(command, 400, *REFRESH, status=4, seed=2)
    assert standing(command) >= before + 350
    assert command.json("sql", "select count(*) as n from catalog.catalog_course where missing_since is not null") == [
        {"n": 0}
    ]


def test_dagster_holds_removals_back_too_and_its_run_config_lets_them_through(command: Command) -> None:
    refreshed(command, 100, "run", status=0)
    held = refreshed(command, 19, "run", status=4)
    assert "removals are held back" in held.stderr
    refreshed(command, 19, "run", "--accept-removals", status=0)
    assert (standing(command), pending(command)) == (18, 0)


def test_what_upstream_breaks_is_one_line_and_an_exit_status(command: Command) -> None:
    faults = [Fault.parse("html@1")]
    with SampleServer(build_catalog(30, 1), middleware=[Middleware(Faults, faults=faults)]) as upstream:
        pointed(command, upstream)
        failed = command(*REFRESH, status=5)
    assert failed.stderr.startswith("error: ")
    assert failed.stderr.count("\n") == 1
    assert "no login or maintenance page stands before it" in failed.stderr


def test_a_served_sample_commits_the_faults_it_is_asked_for(command: Command) -> None:
    assert "'nonsense' is no fault: give KIND" in command("sample", "serve", "--fault", "nonsense", status=2).stderr
