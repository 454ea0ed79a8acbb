"""A night in which one thing of each kind goes wrong: all the rest is done, and each trouble is told."""

from typing import Any

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from support.command import Command

from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.server import SampleServer

FOLDER = "feeds/2u/executive-education-2u"


class WithoutLms:
    """The LMS is down, and discovery, which the same server serves, is not."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        down = scope["type"] == "http" and scope["path"].startswith("/api/courses/")
        await (PlainTextResponse("down", 503) if down else self.app)(scope, receive, send)


def test_a_broken_feed_a_bad_document_a_lost_upstream_and_too_many_removals_stop_nothing_else(
    command: Command,
) -> None:
    with SampleServer(build_catalog(100, 1)) as upstream:
        command.env |= {
            "CATALOG_DISCOVERY_URL": upstream.url,
            "CATALOG_LMS_URL": upstream.url,
            "CATALOG_DISCOVERY_CLIENT_ID": upstream.client_id,
            "CATALOG_DISCOVERY_CLIENT_SECRET": upstream.client_secret,
            "CATALOG_REQUEST_RETRIES": "0",
            "CATALOG_SAMPLE_COURSES": "100",
        }
        command("run")
        port = int(upstream.url.rpartition(":")[2])
    standing = command.json("sql", "select count(*) as n from catalog.catalog_course where missing_since is null")
    (command.home / FOLDER).mkdir(parents=True)
    (command.home / FOLDER / "broken.csv").write_bytes(b"\x00\x01 no csv")
    command("sample", "feeds", str(command.home / "feeds"), "--days", "1")
    catalog = build_catalog(40, 1)
    catalog.advance()
    with SampleServer(catalog, port=port, middleware=[Middleware(WithoutLms)]):
        night = command("run", status=4)
    told = night.stdout + night.stderr
    assert "landing__lms failed" in told
    assert "status 503" in told
    assert "removals are held back" in told
    assert "broken.csv" in told
    assert "rows rejected: `catalog-pipeline rejects`" in told
    feeds = {feed["name"]: feed["outcome"] for feed in command.json("partner", "feeds")}
    assert feeds.pop("broken.csv") == "refused"
    assert set(feeds.values()) == {"applied"}
    after = command.json("sql", "select count(*) as n from catalog.catalog_course where missing_since is null")
    assert after[0]["n"] >= standing[0]["n"]
    stages = command.json("sql", "select source, outcome from ops.load order by id desc limit 12")
    assert {"source": "go_live", "outcome": "applied"} in stages
    assert command.json("sql", "select count(*) as n from marts.run_calendar")[0]["n"] > 0
