"""What `doctor` says of upstreams that are gone, or that are none."""

from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import Server, connected
from catalog_pipeline.queries.doctor import doctor
from catalog_pipeline.settings import Settings


def test_a_service_that_is_no_longer_configured_passes_on_what_it_listed(
    engine: Engine, server: Server, settings: Settings
) -> None:
    with connected(engine) as connection:
        connection.execute(
            text("INSERT INTO landing.upstream (service, address, since, by) VALUES ('discovery', 'd', now(), 'x')")
        )
    without = settings.model_copy(update={"lms_url": "http://127.0.0.1:9", "request_retries": 0})
    (told,) = [finding for finding in doctor(without, server) if finding.what == "discovery"]
    assert told.ok
    assert "not configured: what it listed passes on" in told.detail


def test_an_upstream_that_answers_no_page_of_a_list_is_named_with_its_address(
    server: Server, settings: Settings, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/token").respond_with_json({"access_token": "t", "expires_in": 3600})
    httpserver.expect_request("/api/v1/organizations/").respond_with_json([])
    url = httpserver.url_for("").rstrip("/")
    configured = settings.model_copy(
        update={
            "discovery_url": url,
            "oauth_token_url": f"{url}/token",
            "discovery_client_id": "a",
            "discovery_client_secret": SecretStr("b"),
        }
    )
    (told,) = [finding for finding in doctor(configured, server) if finding.what == "discovery"]
    assert not told.ok
    assert f"{url}/api/v1/organizations/ answered JSON that is not a page of a list" in told.detail
