"""An upstream that refuses, breaks off, drips, limits and lies, and what the client makes of it."""

import logging
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import islice
from typing import Any

import orjson
import pytest
from pytest_httpserver import HTTPServer
from support.raw import raw_server
from werkzeug import Request, Response

from catalog_pipeline.errors import UpstreamError, UpstreamRefusedError
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.exchange import cause
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.listing import Listing, Page
from catalog_pipeline.sources.paging import read_pages
from catalog_pipeline.sources.tokens import Credentials

SECRET = "hunter2-the-secret"
TOKEN = "a.jwt.token"
LISTING = Listing(
    "discovery", "thing", "/things/", {"a": "b"}, lambda b: Page(b["results"], b["count"], not b["next"]), str
)
Handler = Callable[[Request], Response]


def impatient(**fields: Any) -> Settings:
    quick = {"retry_backoff": 0.01, "request_retries": 2, "page_deadline": 20, "rate_limit_wait": 5, "page_size": 10}
    return Settings(_env_file=None, **{**quick, **fields})  # pyright: ignore[reportCallIssue]


def as_json(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(orjson.dumps(body), status, headers, content_type="application/json")


@pytest.fixture(scope="module")
def server() -> Iterator[HTTPServer]:
    """One for the module: ending it takes half a second."""
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def upstream(server: HTTPServer) -> HTTPServer:
    server.clear()
    return server


@pytest.fixture
def client(upstream: HTTPServer) -> ApiClient:
    return ApiClient(upstream.url_for("").rstrip("/"), None, impatient())


def answers(upstream: HTTPServer, *given: Response, path: str = "/things/") -> list[Request]:
    """Give one answer after the other, the last one for ever; return the requests as they come."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return given[min(len(asked), len(given)) - 1]

    upstream.expect_request(path).respond_with_handler(answer)
    return asked


def authorized(upstream: HTTPServer, token_url: str | None = None) -> ApiClient:
    """A client with credentials of the upstream."""
    credentials = Credentials(token_url or upstream.url_for("/oauth2/access_token"), "the-client", SECRET)
    return ApiClient(upstream.url_for("").rstrip("/"), credentials, impatient())


def tokens(upstream: HTTPServer, *given: str) -> list[Request]:
    bodies = [as_json({"access_token": token, "expires_in": 3600, "token_type": "JWT"}) for token in given]
    return answers(upstream, *bodies, path="/oauth2/access_token")


class TestTokens:
    """OAuth2 client credentials."""

    def test_a_token_is_fetched_once_and_serves_all_threads(self, upstream: HTTPServer) -> None:
        fetched, asked = tokens(upstream, TOKEN), answers(upstream, as_json({}))
        client = authorized(upstream)
        threads = [threading.Thread(target=client.get, args=("/things/", {})) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [request.headers["Authorization"] for request in asked] == [f"JWT {TOKEN}"] * 5
        assert [dict(request.form) for request in fetched] == [
            {
                "grant_type": "client_credentials",
                "client_id": "the-client",
                "client_secret": SECRET,
                "token_type": "jwt",
            }
        ]

    def test_a_401_in_mid_crawl_costs_one_new_token(self, upstream: HTTPServer) -> None:
        fetched = tokens(upstream, "first", "second")
        asked = answers(upstream, as_json(1), as_json({}, 401), as_json(2))
        client = authorized(upstream)
        assert [client.get("/things/", {}) for _ in range(3)] == [1, 2, 2]
        assert len(fetched) == 2
        assert [request.headers["Authorization"] for request in asked] == [
            "JWT first",
            "JWT first",
            "JWT second",
            "JWT second",
        ]

    def test_a_second_401_is_a_refusal_that_is_not_tried_again(self, upstream: HTTPServer) -> None:
        fetched, asked = tokens(upstream, TOKEN), answers(upstream, as_json({}, 401))
        with pytest.raises(UpstreamRefusedError, match="401: check CATALOG_DISCOVERY_CLIENT_ID"):
            authorized(upstream).get("/things/", {})
        assert (len(fetched), len(asked)) == (2, 2)

    def test_a_token_about_to_expire_is_renewed_before_it_does(
        self, upstream: HTTPServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetched, now = tokens(upstream, TOKEN), time.monotonic
        answers(upstream, as_json({}))
        client = authorized(upstream)
        client.get("/things/", {})
        monkeypatch.setattr(time, "monotonic", lambda: now() + 3600 - 40)
        client.get("/things/", {})
        assert len(fetched) == 1
        monkeypatch.setattr(time, "monotonic", lambda: now() + 3600 - 20)
        client.get("/things/", {})
        assert len(fetched) == 2

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (as_json({"error": "invalid_client"}, 401), "answered 401: check CATALOG_DISCOVERY_CLIENT_ID"),
            (as_json({}, 404), "answered 404: .*CATALOG_OAUTH_TOKEN_URL"),
            (Response("", 302, {"Location": "/login"}), "answered 302: .*CATALOG_OAUTH_TOKEN_URL"),
            (as_json({"token": TOKEN}), "without access_token and expires_in"),
            (as_json([TOKEN]), "without access_token and expires_in"),
            (as_json({"access_token": f"{TOKEN}\nX: y", "expires_in": 60}), "without access_token and expires_in"),
            (as_json({"access_token": None, "expires_in": 60}), "without access_token and expires_in"),
            (Response("<html>log in</html>", content_type="text/html"), "text/html instead of JSON"),
            (as_json({}, 503), "/oauth2/access_token failed 3 times, the last time with: status 503"),
        ],
    )
    def test_a_token_endpoint_that_gives_none_is_named_and_the_secret_stays_secret(
        self, upstream: HTTPServer, caplog: pytest.LogCaptureFixture, answer: Response, said: str
    ) -> None:
        caplog.set_level(logging.DEBUG)
        answers(upstream, answer, path="/oauth2/access_token")
        client = authorized(upstream)
        with pytest.raises(UpstreamError, match=f"/oauth2/access_token .*{said}|{said}") as caught:
            client.get("/things/", {})
        told = f"{caught.getrepr(chain=True)}{caplog.text}{client!r}{client._tokens and client._tokens.credentials!r}"
        assert SECRET not in told
        assert TOKEN not in told

    def test_a_token_endpoint_that_is_gone_in_mid_crawl_does_not_end_the_list(self, upstream: HTTPServer) -> None:
        tokens_then_none = [as_json({"access_token": TOKEN, "expires_in": 60}), as_json({}, 404)]
        answers(upstream, *tokens_then_none, path="/oauth2/access_token")
        answers(upstream, as_json({"results": [1], "count": 20, "next": "?"}), as_json({}, 401))
        with pytest.raises(UpstreamRefusedError, match="CATALOG_OAUTH_TOKEN_URL"):
            list(read_pages(authorized(upstream), LISTING, {}))

    def test_a_netrc_of_whoever_runs_us_does_not_replace_the_token(
        self, upstream: HTTPServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "netrc").write_text(f"machine {upstream.host} login ann password x\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        tokens(upstream, TOKEN)
        asked = answers(upstream, as_json({}))
        authorized(upstream).get("/things/", {})
        assert asked[0].headers["Authorization"] == f"JWT {TOKEN}"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_json({}, 401), "answered 401: check CATALOG_DISCOVERY_CLIENT_ID and CATALOG_DISCOVERY_CLIENT_SECRET"),
        (as_json({}, 403), "answered 403: the client's user lacks permission"),
        (as_json({}, 404), "answered 404: check the upstream's URL"),
        (as_json({}, 400), "answered 400: .* check the upstream's URL"),
        (Response("<html>log in</html>", content_type="text/html"), "answered 200 with text/html.* instead of JSON"),
    ],
)
def test_a_refusal_says_what_to_check_and_is_not_tried_again(
    upstream: HTTPServer, client: ApiClient, answer: Response, said: str
) -> None:
    asked = answers(upstream, answer)
    with pytest.raises(UpstreamRefusedError, match=f"{client.base_url}/things/.*{said}"):
        client.get("/things/", {"page": "1"})
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer", [as_json({}, 500), as_json({}, 503), Response('{"a":', content_type="application/json")]
)
def test_what_may_pass_is_tried_again_with_a_growing_wait(
    upstream: HTTPServer, client: ApiClient, caplog: pytest.LogCaptureFixture, answer: Response
) -> None:
    caplog.set_level(logging.WARNING)
    answers(upstream, answer, answer, as_json({"fine": True}))
    assert client.get("/things/", {}) == {"fine": True}
    assert re.findall(r"trying again in ([\d.]+) s \((\d) of 2\)", caplog.text) == [("0.0", "1"), ("0.0", "2")]


def test_the_wait_doubles_and_does_not_grow_for_ever() -> None:
    client = ApiClient("http://nowhere.invalid", None, impatient(retry_backoff=1))
    waits = [client._backoff(number) for number in range(1, 12)]
    for number, wait in enumerate(waits):
        expected = min(2**number, 60)
        assert 0.75 * expected <= wait <= 1.25 * expected


def test_without_credentials_no_authorization_is_sent(upstream: HTTPServer, client: ApiClient) -> None:
    asked = answers(upstream, as_json({}))
    client.get("/things/", {})
    assert "Authorization" not in asked[0].headers


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def truncated(connection: socket.socket) -> None:
    connection.sendall(
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"results": [1'
    )


def truncated_chunk(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n[1, 2")


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(50):
        connection.sendall(b"[")
        time.sleep(0.05)


def not_gzip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda connection: None, "Remote end closed connection without response"),
        (reset, "(Connection reset by peer|Remote end closed connection without response)"),
        (truncated, "the answer broke off before its end"),
        (truncated_chunk, "the answer broke off before its end"),
        (drip, r"not read to its end in 0\.5 s"),
        (lambda connection: time.sleep(1.5), r"not read to its end in 0\.5 s"),
        (not_gzip, "incorrect header check"),
    ],
)  # fmt: skip
def test_a_connection_that_breaks_is_tried_again_and_then_told_in_words(
    answer: Callable[[socket.socket], object], said: str
) -> None:
    deadline = 0.5 if re.search("in 0", said) else 20
    with raw_server(answer) as url, pytest.raises(UpstreamError) as caught:
        ApiClient(url, None, impatient(request_retries=1, page_deadline=deadline)).get("/things/", {"page": "7"})
    assert not isinstance(caught.value, UpstreamRefusedError)
    assert re.match(rf"{url}/things/\?page=7 failed 2 times, the last time with: .*{said}", str(caught.value))
    assert_readable(str(caught.value))


def assert_readable(message: str) -> None:
    assert not re.search(r"object at 0x|urllib3|Error\(|HTTPConnection|Pool|\[Errno|\('|_ssl|^<", message), message


def test_a_page_that_breaks_off_once_is_read_whole_the_second_time() -> None:
    tries = Counter[str]()

    def second_time(connection: socket.socket) -> None:
        tries["n"] += 1
        body = b"[1, 2, 3]"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + (body if tries["n"] > 1 else body[:4]))

    with raw_server(second_time) as url:
        assert ApiClient(url, None, impatient()).get("/things/", {}) == [1, 2, 3]


def test_a_gzipped_page_and_one_in_chunks_are_read_whole(upstream: HTTPServer, client: ApiClient) -> None:
    import gzip

    page = {"results": ["é" * 50] * 3000}
    packed = Response(gzip.compress(orjson.dumps(page)), headers={"Content-Encoding": "gzip"})
    chunked = Response(iter([orjson.dumps(page)[:7], orjson.dumps(page)[7:]]))
    answers(upstream, packed, chunked)
    assert client.get("/things/", {}) == page
    assert client.get("/things/", {}) == page


def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        UpstreamError, match=rf"http://127.0.0.1:{port}/.* failed 3 times.*Connection refused"
    ) as caught:
        ApiClient(f"http://127.0.0.1:{port}", None, impatient()).get("/things/", {})
    assert_readable(str(caught.value))


def test_a_host_that_has_no_address_is_told() -> None:
    with pytest.raises(UpstreamError, match=r"http://nowhere.invalid/things/.* failed 3 times") as caught:
        ApiClient("http://nowhere.invalid", None, impatient()).get("/things/", {})
    assert re.search("[Nn]ame|resol|address", str(caught.value).split("with:")[1])
    assert_readable(str(caught.value))


def test_a_tls_failure_is_a_refusal_that_says_what_to_check(upstream: HTTPServer) -> None:
    url = f"https://{upstream.host}:{upstream.port}"
    with pytest.raises(UpstreamRefusedError, match=rf"{url}/.*TLS failed \(.+\)\. Check the certificate") as caught:
        ApiClient(url, None, impatient()).get("/things/", {})
    assert_readable(str(caught.value))


def test_a_cause_without_words_is_told_by_its_name() -> None:
    assert cause(ConnectionResetError()) == "ConnectionResetError"
    assert cause(ValueError(ValueError("what happened"))) == "what happened"


class TestRateLimits:
    """429, with and without a Retry-After."""

    def test_the_wait_is_what_the_upstream_asks_and_is_logged(
        self, upstream: HTTPServer, client: ApiClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        answers(upstream, as_json({}, 429, **{"Retry-After": "1"}), as_json("in"))
        began = time.monotonic()
        assert client.get("/things/", {}) == "in"
        assert time.monotonic() - began >= 1
        assert "/things/?: status 429, rate limited; trying again in 1.0 s" in caplog.text

    def test_the_wait_may_be_a_date(self, upstream: HTTPServer, client: ApiClient) -> None:
        then = int(time.time()) + 2
        answers(upstream, as_json({}, 429, **{"Retry-After": formatdate(then, usegmt=True)}), as_json("in"))
        assert client.get("/things/", {}) == "in"
        assert time.time() >= then

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ({"Retry-After": "6"}, 6),
            ({"Retry-After": formatdate(4102444800, usegmt=True)}, 6 * 3600),
            ({"Retry-After": "soon"}, 60),
            ({"Retry-After": "-1"}, 60),
            ({}, 60),
        ],
    )
    def test_a_wait_over_the_cap_is_not_begun(
        self, upstream: HTTPServer, client: ApiClient, header: dict[str, str], seconds: int
    ) -> None:
        asked = answers(upstream, as_json({}, 429, **header))
        with pytest.raises(
            UpstreamError, match=rf"asks for {seconds} s more.*5 s of CATALOG_RATE_LIMIT_WAIT"
        ) as caught:
            client.get("/things/", {})
        assert not isinstance(caught.value, UpstreamRefusedError)
        assert len(asked) == 1

    def test_the_cap_holds_for_all_waits_together_but_counts_those_at_the_same_time_once(self) -> None:
        client = ApiClient("http://nowhere.invalid", None, impatient(rate_limit_wait=50))
        for _ in range(16):
            assert client._rate_limit("url", 30) == 30
        client._limited_until = 0  # as if those 30 s had passed
        with pytest.raises(UpstreamError, match="asks for 30 s more"):
            client._rate_limit("url", 30)


class Things:
    """A list of `total` numbers, paged as discovery pages; 404 past the end. Hooks see each page's number."""

    def __init__(self, upstream: HTTPServer, total: int) -> None:
        self.total = total
        self.largest_page = 1000
        self.asked: list[int] = []
        self.before: Callable[[int], Response | None] = lambda page: None
        upstream.expect_request("/things/").respond_with_handler(self._page)

    def _page(self, request: Request) -> Response:
        number, size = int(request.args["page"]), min(int(request.args["page_size"]), self.largest_page)
        self.asked.append(number)
        if instead := self.before(number):
            return instead
        first, last = (number - 1) * size, min(number * size, self.total)
        if first >= self.total and number > 1:
            return as_json({"detail": "Invalid page."}, 404)
        following = f"?page={number + 1}" if last < self.total else None
        return as_json({"results": list(range(first, last)), "count": self.total, "next": following})


def read(client: ApiClient, first: int = 1, **extra: str) -> list[Any]:
    return [document for page in read_pages(client, LISTING, extra, first) for document in page.documents]


class TestPages:
    """Pages fetched ahead."""

    @pytest.mark.parametrize("total", [0, 1, 10, 11, 20, 95])
    def test_every_page_is_read_once_whatever_the_size(
        self, upstream: HTTPServer, client: ApiClient, total: int
    ) -> None:
        things = Things(upstream, total)
        assert read(client) == list(range(total))
        assert sorted(things.asked) == list(range(1, max(1, -(-total // 10)) + 1))

    @pytest.mark.parametrize("total", [0, 20, 21, 200, 995])
    def test_an_upstream_that_caps_its_pages_is_read_to_its_end(self, upstream: HTTPServer, total: int) -> None:
        things = Things(upstream, total)
        things.largest_page = 20
        client = ApiClient(upstream.url_for("").rstrip("/"), None, impatient(page_size=500))
        assert read(client) == list(range(total))
        assert sorted(things.asked) == list(range(1, max(1, -(-total // 20)) + 1))

    def test_a_capped_list_without_end_is_refused(self, upstream: HTTPServer) -> None:
        page = as_json({"results": list(range(20)), "count": 100, "next": "more"})
        asked = answers(upstream, page)
        client = ApiClient(upstream.url_for("").rstrip("/"), None, impatient(page_size=500, parallel_pages=1))
        with pytest.raises(UpstreamRefusedError, match="goes on after page 21, though it counts 100 documents"):
            read(client)
        assert len(asked) == 21

    def test_an_empty_list_is_one_empty_page(self, upstream: HTTPServer, client: ApiClient) -> None:
        Things(upstream, 0)
        assert list(read_pages(client, LISTING, {})) == [Page([], 0, True)]

    def test_the_order_holds_when_later_pages_come_first(self, upstream: HTTPServer, client: ApiClient) -> None:
        things = Things(upstream, 80)
        things.before = lambda page: time.sleep(0.03 * (5 - page % 4))
        assert read(client) == list(range(80))

    def test_parameters_and_the_largest_page_are_sent(self, upstream: HTTPServer) -> None:
        asked = answers(upstream, as_json({"results": [], "count": 0, "next": None}))
        client = ApiClient(upstream.url_for("").rstrip("/"), None, impatient(page_size=500))
        listing = Listing(**{**vars(LISTING), "largest_page": 100})
        list(read_pages(client, listing, {"timestamp": "2026-01-01T00:00:00+00:00"}, first=3))
        assert dict(asked[0].args) == {
            "a": "b",
            "timestamp": "2026-01-01T00:00:00+00:00",
            "page_size": "100",
            "page": "3",
        }

    def test_no_more_pages_are_under_way_than_the_setting_says(self, upstream: HTTPServer, client: ApiClient) -> None:
        things, lock, now, most = Things(upstream, 200), threading.Lock(), Counter[str](), []

        def count(_page: int) -> None:
            with lock:
                now["n"] += 1
                most.append(now["n"])
            time.sleep(0.02)
            with lock:
                now["n"] -= 1

        things.before = count
        read(client)
        assert 1 < max(most) <= client.settings.parallel_pages

    def test_a_list_that_grows_under_the_crawl_is_read_to_its_new_end(
        self, upstream: HTTPServer, client: ApiClient
    ) -> None:
        things = Things(upstream, 30)
        things.before = lambda page: setattr(things, "total", 75) if page == 3 else None
        assert read(client) == list(range(75))

    def test_a_list_that_shrinks_under_the_crawl_ends_where_the_upstream_ends_it(
        self, upstream: HTTPServer, client: ApiClient
    ) -> None:
        things = Things(upstream, 95)
        things.before = lambda page: setattr(things, "total", 20) if page == 3 else None
        assert read(client) == list(range(20))

    def test_a_404_past_the_end_ends_the_list(self, upstream: HTTPServer, client: ApiClient) -> None:
        things = Things(upstream, 95)
        things.before = lambda page: as_json({}, 404) if page > 4 else None
        assert read(client) == list(range(40))
        assert read(client, first=9) == []

    def test_a_404_for_the_first_page_is_a_refusal(self, upstream: HTTPServer, client: ApiClient) -> None:
        Things(upstream, 95).before = lambda page: as_json({}, 404)
        with pytest.raises(UpstreamRefusedError, match="answered 404"):
            read(client)

    @pytest.mark.parametrize(
        "body",
        [[], 1, None, "text", {}, {"results": 1, "count": 1, "next": 0}, {"results": [], "count": "1", "next": 0}],
    )
    def test_json_that_is_no_page_is_a_refusal(self, upstream: HTTPServer, client: ApiClient, body: Any) -> None:
        answers(upstream, as_json(body))
        with pytest.raises(UpstreamRefusedError, match="/things/ answered JSON that is not a page of a list"):
            read(client)

    def test_a_page_that_cannot_be_had_ends_the_crawl_at_its_place(
        self, upstream: HTTPServer, client: ApiClient
    ) -> None:
        Things(upstream, 95).before = lambda page: as_json({}, 500) if page == 4 else None
        pages = read_pages(client, LISTING, {})
        assert [page.documents[0] for page in islice(pages, 3)] == [0, 10, 20]
        with pytest.raises(UpstreamError, match=r"page=4 failed 3 times, the last time with: status 500"):
            next(pages)

    def test_who_stops_reading_waits_for_no_back_off_and_no_more_is_asked(self, upstream: HTTPServer) -> None:
        things = Things(upstream, 200)
        things.before = lambda page: as_json({}, 503) if page > 2 else None
        client = ApiClient(upstream.url_for("").rstrip("/"), None, impatient(retry_backoff=30, request_retries=9))
        pages = read_pages(client, LISTING, {})
        assert [page.documents[0] for page in islice(pages, 2)] == [0, 10]
        while len(things.asked) < 5:  # pages 3 to 5 are on their way into a back-off of 30 s
            time.sleep(0.01)
        began = time.monotonic()
        pages.close()
        assert time.monotonic() - began < 20
        assert sorted(things.asked) == [1, 2, 3, 4, 5]
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("pages")]
