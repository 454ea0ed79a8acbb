"""A signed-in reader of the sample upstream, who asks over HTTP as any client would."""

from typing import Any

import requests

from catalog_pipeline.sample.server import SampleServer


def signed_in(server: SampleServer) -> requests.Session:
    """A session with a fresh token."""
    session = requests.Session()
    session.headers["Authorization"] = f"JWT {token_of(server).json()['access_token']}"
    return session


def token_of(server: SampleServer, **form: str) -> requests.Response:
    asked = {
        "grant_type": "client_credentials",
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "token_type": "jwt",
    }
    return requests.post(f"{server.url}/oauth2/access_token", asked | form, timeout=30)


class Client:
    """A signed-in reader of one server."""

    def __init__(self, server: SampleServer) -> None:
        self.server = server
        self.session = signed_in(server)

    def get(self, path: str, **query: object) -> requests.Response:
        return self.session.get(self.server.url + path, params={k: str(v) for k, v in query.items()}, timeout=30)

    def page(self, kind: str, **query: object) -> dict[str, Any]:
        answer = self.get(f"/api/v1/{kind}/", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all(self, kind: str, **query: object) -> list[dict[str, Any]]:
        query = {"page": 1, "page_size": 100_000, "exclude_utm": 1} | query
        return self.page(kind, **query)["results"]

    def course(self, key: str, **query: object) -> dict[str, Any]:
        (course,) = self.all("courses", keys=key, **query)
        return course

    def lms(self, **query: object) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = []
        url: str | None = f"{self.server.url}/api/courses/v1/courses/"
        params = {"page_size": "100"} | {k: str(v) for k, v in query.items()}
        while url:
            body = self.session.get(url, params=params, timeout=30).json()
            listed += body["results"]
            url, params = body["pagination"]["next"], {}
        return listed

    def crawl(self, path: str, page_size: int, **query: Any) -> list[dict[str, Any]]:
        """Every page of a list, in the order in which they come."""
        body = self.json(path, page_size=page_size, **query)
        found = body["results"]
        while body["next"]:
            body = self.session.get(body["next"], timeout=30).json()
            found += body["results"]
        return found

    def json(self, path: str, **query: Any) -> Any:
        """What a path answers with status 200. A list among the parameters is sent as one parameter repeated."""
        answer = self.session.get(self.server.url + path, params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()
