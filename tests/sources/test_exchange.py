"""An upstream that keeps a request for ever, or sends it elsewhere: in the body, before it, over TLS, for a token."""

import gzip
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer
from support.raw import raw_server
from werkzeug import Request, Response

from catalog_pipeline.errors import UpstreamError, UpstreamRefusedError
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.exchange import MOST_REDIRECTS
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.tokens import Credentials

DEADLINE = 0.5
LATE = rf"failed 1 times, the last time with: not read to its end in {DEADLINE} s"
OK = b"HTTP/1.1 200 OK\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere/\r\n"
MEGABYTE = b" " * (1 << 20)
Answer = Callable[[socket.socket], object]


def client(url: str, token_url: str | None = None, deadline: float = DEADLINE) -> ApiClient:
    """A client that tries once and keeps to a short deadline."""
    settings = Settings(_env_file=None, request_retries=0, page_deadline=deadline)  # pyright: ignore[reportCallIssue]
    return ApiClient(url, Credentials(token_url, "the-client", "the-secret") if token_url else None, settings)


def for_ever(begin: bytes, again: bytes, pause: float = 0.02) -> Answer:
    """Send `begin`, then the same bytes again and again until the client leaves."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(again)
            time.sleep(pause)

    return answer


ENDLESS = {
    "headers that drip": for_ever(OK + b"X-Drip: ", b"x"),
    "headers without end": for_ever(OK, b"X-More: and more\r\n"),
    "an endless 100 Continue": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0),
    "a body that drips": for_ever(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "a body that drips, and no length": for_ever(OK + b"Connection: close\r\n\r\n", b" "),
    "chunks that drip": for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "nothing": lambda connection: time.sleep(3),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_is_given_up_at_the_deadline_wherever_it_stands(answer: Answer) -> None:
    began = time.monotonic()
    with raw_server(answer) as url, pytest.raises(UpstreamError, match=f"{url}/things/.*{LATE}"):
        client(url).get("/things/", {})
    assert time.monotonic() - began < 4 * DEADLINE


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_a_token_is_given_up_at_the_deadline_too(answer: Answer) -> None:
    began = time.monotonic()
    with raw_server(answer) as url, pytest.raises(UpstreamError, match=f"{url}/token.*{LATE}"):
        client("http://127.0.0.1:9", f"{url}/token").get("/things/", {})
    assert time.monotonic() - began < 4 * DEADLINE


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context with a certificate that the client trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return context


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_tls_makes_no_difference_to_the_deadline(answer: Answer, authority: ssl.SSLContext) -> None:
    began = time.monotonic()
    with raw_server(answer, authority) as url, pytest.raises(UpstreamError, match=f"https://.*{LATE}"):
        client(url).get("/things/", {})
    assert time.monotonic() - began < 4 * DEADLINE


def test_a_tls_handshake_that_drips_is_given_up_at_the_deadline() -> None:
    began = time.monotonic()
    # The head of a record of 16 KB of handshake, which never comes whole.
    dripping = for_ever(b"\x16\x03\x03\x40\x00", b"\x02")
    with raw_server(dripping) as url, pytest.raises(UpstreamError, match=LATE):
        client(url.replace("http:", "https:")).get("/things/", {})
    assert time.monotonic() - began < 4 * DEADLINE


def test_a_connection_that_is_used_again_is_watched_again(authority: ssl.SSLContext) -> None:
    body = OK + b"Content-Length: 2\r\n\r\n[]"

    def well_then_drip(connection: socket.socket) -> None:
        connection.sendall(body)
        connection.recv(4096)
        for_ever(OK + b"X-Drip: ", b"x")(connection)

    for context in (None, authority):
        with raw_server(well_then_drip, context) as url:
            asked = client(url)
            assert asked.get("/things/", {}) == []
            with pytest.raises(UpstreamError, match=LATE):
                asked.get("/things/", {})


def test_the_deadline_of_one_request_leaves_the_others_alone() -> None:
    def slowly(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n")
        time.sleep(0.6 * DEADLINE)
        connection.sendall(b"[]")
        connection.recv(4096)
        slowly(connection)

    with raw_server(slowly) as url:
        asked = client(url)
        assert [asked.get("/things/", {}) for _ in range(4)] == [[]] * 4


def packed(begin: bytes) -> Answer:
    """Headers, and a body that unpacks to a thousand times its size, without end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(MEGABYTE * 8) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(MEGABYTE * 8) + packer.flush(zlib.Z_FULL_FLUSH)
    return for_ever(begin + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + first, again, 0)


FLOODS = {
    "a body without end": lambda begin: for_ever(begin + b"Connection: close\r\n\r\n", MEGABYTE, 0),
    "a body that unpacks without end": packed,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_body_has_a_size_limit_for_pages_and_for_tokens(flood: Callable[[bytes], Answer]) -> None:
    with raw_server(flood(OK)) as url:
        said = "answered with more than 64 MB, and no end: check the upstream's URL"
        with pytest.raises(UpstreamRefusedError, match=f"{url}/things/.*{said}"):
            client(url, deadline=60).get("/things/", {})
        with pytest.raises(UpstreamRefusedError, match=f"{url}/token {said}"):
            client("http://127.0.0.1:9", f"{url}/token", 60).get("/things/", {})


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (b"500 Oops", "failed 1 times, the last time with: status 500"),
        (b"404 Not Found", "answered 404: check"),
        (b"302 Found", "answered 302: "),
    ],
)
def test_the_body_of_a_refusal_is_not_read(flood: Callable[[bytes], Answer], status: bytes, said: str) -> None:
    answer = flood(b"HTTP/1.1 " + status + b"\r\n")
    with raw_server(answer) as url:
        with pytest.raises(UpstreamError, match=f"{url}/things/.*{said}"):
            client(url, deadline=60).get("/things/", {})
        with pytest.raises(UpstreamError, match=f"{url}/token .*{said}"):
            client("http://127.0.0.1:9", f"{url}/token", 60).get("/things/", {})


@pytest.fixture
def upstream(httpserver: HTTPServer) -> HTTPServer:
    return httpserver


def asked_of(upstream: HTTPServer) -> list[str]:
    return [request.full_path for request, _ in upstream.log]


class TestRedirects:
    """Few, and within the origin."""

    def test_a_redirect_within_the_origin_is_followed_with_its_token(self, upstream: HTTPServer) -> None:
        base = upstream.url_for("").rstrip("/")
        upstream.expect_request("/token").respond_with_json({"access_token": "t", "expires_in": 60})
        upstream.expect_request("/things/").respond_with_data("", 302, {"Location": "../moved/?page=1"})
        upstream.expect_request("/moved/").respond_with_data("", 301, {"Location": f"{base}/here/"})
        upstream.expect_request("/here/", headers={"Authorization": "JWT t"}).respond_with_json([1])
        assert client(base, f"{base}/token", 20).get("/things/", {}) == [1]
        assert asked_of(upstream) == ["/token?", "/things/?", "/moved/?page=1", "/here/?"]

    @pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
    def test_the_body_of_a_redirect_is_not_read(self, flood: Callable[[bytes], Answer]) -> None:
        with raw_server(flood(MOVED)) as url:
            said = f"{url}/things/.* redirects more than {MOST_REDIRECTS} times, the last time to /elsewhere/: check"
            with pytest.raises(UpstreamRefusedError, match=said):
                client(url, deadline=60).get("/things/", {})

    def test_one_deadline_holds_for_all_redirects_together(self) -> None:
        def slowly(connection: socket.socket) -> None:
            time.sleep(0.6 * DEADLINE)
            connection.sendall(MOVED + b"Content-Length: 0\r\n\r\n")

        with raw_server(slowly) as url, pytest.raises(UpstreamError, match=LATE):
            client(url).get("/things/", {})

    @pytest.mark.parametrize(
        "location", ["http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:port/", "//[", "http://[nine]/"]
    )
    def test_a_location_that_is_no_address_is_told(self, location: str) -> None:
        head = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"
        with raw_server(lambda connection: connection.sendall(head.encode())) as url:
            said = f"{url}/things/? redirects to {location!r}, which is no address: check the upstream's URL"
            with pytest.raises(UpstreamRefusedError, match=re.escape(said)):
                client(url).get("/things/", {})

    @pytest.mark.parametrize(
        "location",
        [
            "http://localhost:{port}/things/",
            "https://127.0.0.1:{port}/things/",
            "http://127.0.0.1:9/things/",
            "//evil.invalid/",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ],
    )
    def test_another_origin_is_not_asked(self, upstream: HTTPServer, location: str) -> None:
        target = location.format(port=upstream.port)
        upstream.expect_request("/things/").respond_with_data("", 307, {"Location": target})
        with pytest.raises(
            UpstreamRefusedError, match=r"/things/.* redirects to another origin, '.*set its URL to that"
        ):
            client(f"http://127.0.0.1:{upstream.port}").get("/things/", {})
        assert len(upstream.log) == 1

    def test_a_default_port_is_the_same_origin(self) -> None:
        from catalog_pipeline.sources.exchange import _origin

        assert _origin("https://Catalog.example:443/a") == _origin("https://catalog.example/b")
        assert _origin("http://catalog.example") != _origin("http://catalog.example:8080")

    def test_a_redirect_without_a_location_is_a_refusal(self, upstream: HTTPServer) -> None:
        upstream.expect_request("/things/").respond_with_data("", 302)
        with pytest.raises(UpstreamRefusedError, match="answered 302: this is not an answer that the list gives"):
            client(upstream.url_for("").rstrip("/")).get("/things/", {})

    def test_what_stands_in_a_location_is_asked_as_it_is(self, upstream: HTTPServer) -> None:
        def answer(request: Request) -> Response:
            if request.args:
                return Response(gzip.compress(b'"here"'), headers={"Content-Encoding": "gzip"})
            return Response("", 308, {"Location": "?q=a%20b&é=ü d#part"})

        upstream.expect_request("/things/").respond_with_handler(answer)
        assert client(upstream.url_for("").rstrip("/"), deadline=20).get("/things/", {}) == "here"


def test_no_thread_and_no_handle_outlives_its_request() -> None:
    import threading

    with raw_server(ENDLESS["headers that drip"]) as url:
        before = {*threading.enumerate()}
        handles = len(list(Path("/proc/self/fd").iterdir()))
        asked = client(url)
        for _ in range(3):
            with pytest.raises(UpstreamError):
                asked.get("/things/", {})
        timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer) and t not in before]
        assert [timer for timer in timers if not timer.finished.is_set()] == []
        assert len(list(Path("/proc/self/fd").iterdir())) <= handles + 3
