"""The verbs about upstreams, and a night that finds the database filled from elsewhere."""

import json

from support.catalog import Catalog
from support.command import Command

from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.server import SampleServer

CRAWLS = "select source, count(*) as n, max(watermark) as watermark from landing.crawl group by 1 order by 1"


def pointed(command: Command, upstream: SampleServer) -> None:
    """Let the command use this upstream, as discovery and as the LMS."""
    command.env |= {
        "CATALOG_DISCOVERY_URL": upstream.url,
        "CATALOG_LMS_URL": upstream.url,
        "CATALOG_DISCOVERY_CLIENT_ID": upstream.client_id,
        "CATALOG_DISCOVERY_CLIENT_SECRET": upstream.client_secret,
    }


def test_a_copied_database_pointed_elsewhere_keeps_every_row_through_a_whole_night(
    command: Command, catalog: Catalog
) -> None:
    with SampleServer(build_catalog(40, 1)) as production, SampleServer(build_catalog(10, 2)) as staging:
        pointed(command, production)
        command("run")
        before, crawls = catalog.versions(), command.json("sql", CRAWLS)
        pointed(command, staging)
        night = command.json("run", status=4)
        assert staging.requests.total() == 0
        assert (catalog.versions(), command.json("sql", CRAWLS)) == (before, crawls)
        failed = {stage["job"] for stage in night["stages"] if stage["status"] != "SUCCESS"}
        assert failed == {"refresh_discovery", "refresh_lms"}
        told = command("doctor", status=5).stdout
        assert "This database was filled from discovery at 127.0.0.1:" in told
        refused = command("refresh", "--full", status=4)
        assert "catalog-pipeline upstream switch discovery --moved" in refused.stderr
        assert (catalog.versions(), command.json("sql", CRAWLS)) == (before, crawls)


def test_a_copied_database_without_upstreams_is_not_filled_with_the_sample(command: Command, catalog: Catalog) -> None:
    with SampleServer(build_catalog(10, 2)) as production:
        pointed(command, production)
        command("refresh", status=3)
    before = catalog.versions()
    command.env = {
        name: value for name, value in command.env.items() if not name.endswith("_URL") or "DATABASE" in name
    }
    del command.env["CATALOG_DISCOVERY_CLIENT_ID"], command.env["CATALOG_DISCOVERY_CLIENT_SECRET"]
    night = command("run", status=4)
    assert "now sample is configured. Set CATALOG_DISCOVERY_URL" in night.stderr
    assert catalog.versions() == before
    assert not (command.home / "feeds").exists()
    refused = command("sample", "clear", status=4)
    assert "It has from another upstream: discovery at 127.0.0.1:" in refused.stderr
    assert catalog.versions() == before


def test_after_the_sample_a_real_catalog_is_refused_until_the_sample_is_cleared(command: Command) -> None:
    command("run")
    assert {row["address"] for row in command.json("upstream", "list")} == {"sample"}
    with SampleServer(build_catalog(10, 2)) as real:
        pointed(command, real)
        refused = command("refresh", status=4)
        assert "`catalog-pipeline sample clear` empties a database" in refused.stderr
        cleared = command.json("sample", "clear")
        assert cleared["rows"]["catalog.catalog_course"] > 60
        assert cleared["files"]
        assert not list((command.home / "feeds").rglob("*.csv"))
        assert (
            command.json("sql", "select 1 from marts.catalog_overview union all select 1 from ops.change_event") == []
        )
        command("refresh", status=3)
        rows = command.json("sql", "select count(*) as n from catalog.catalog_course where uuid is not null")
        assert 5 <= rows[0]["n"] <= 10
        assert [row["address"] for row in command.json("upstream", "list")] == [real.url.removeprefix("http://")] * 2


def test_another_system_is_shown_then_applied_by_its_hash(command: Command) -> None:
    with SampleServer(build_catalog(20, 1)) as one, SampleServer(build_catalog(20, 2)) as other:
        pointed(command, one)
        command("refresh", "discovery", status=3)
        pointed(command, other)
        shown = command.json("upstream", "switch", "discovery", "--dry-run")
        assert shown["applied"] is False
        assert any(row["archived"] and row["new"] for row in shown["counts"])
        assert "--plan" in command("upstream", "switch", "discovery").stdout
        assert "0123456789ab" in command("upstream", "switch", "discovery", "--plan", "0123456789ab", status=4).stderr
        applied = command.json("upstream", "switch", "discovery", "--plan", shown["plan"], status=3)
        assert (applied["applied"], applied["rows"]) == (True, shown["rows"])
        assert command.json("refresh", "discovery", "--full", status=0)["loads"][0]["documents"] == 0
    assert "is no service" in command("upstream", "switch", "discos", status=2).stderr
    assert "leave out --moved" in command("upstream", "switch", "lms", "--moved", "--plan", "x", status=2).stderr
    assert "was never read" in command("upstream", "switch", "lms", "--moved", status=2).stderr


def test_a_system_that_moved_is_read_at_its_new_address(command: Command) -> None:
    with SampleServer(build_catalog(20, 1)) as one, SampleServer(build_catalog(20, 1)) as moved:
        pointed(command, one)
        command("refresh", "discovery", status=3)
        pointed(command, moved)
        assert (
            "the dry run changed nothing" in command("upstream", "switch", "discovery", "--moved", "--dry-run").stdout
        )
        command("refresh", "discovery", status=4)
        assert command.json("upstream", "switch", "discovery", "--moved")["moved"] is True
        assert command.json("refresh", "discovery")["crawls"][1]["mode"] == "full"


def test_a_refresh_prints_what_was_read_though_a_source_is_down_and_exits_with_the_largest_status(
    command: Command,
) -> None:
    with SampleServer(build_catalog(10, 1)) as upstream:
        pointed(command, upstream)
        command.env |= {"CATALOG_DISCOVERY_URL": "http://127.0.0.1:9", "CATALOG_REQUEST_RETRIES": "0"}
        refreshed = command("refresh", "--json", status=5)
    assert "error: http://127.0.0.1:9/" in refreshed.stderr
    told = json.loads(refreshed.stdout)
    assert [load["source"] for load in told["loads"]] == ["lms"]
    assert [failure["source"] for failure in told["failures"]] == ["discovery"]
