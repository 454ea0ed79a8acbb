"""enterprise-catalog over HTTP for each test, as awkward as the real one, and its catalogs as rows."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from werkzeug import Request, Response

from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.replication.content import EnterpriseLoad, fetch_by_key, find_catalogs, load_catalog
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import upstreams
from support.catalog import Catalog, uuid_of

Document = dict[str, Any]
CATALOG = uuid_of("an enterprise catalog")
CUSTOMER = uuid_of("a customer")


def content_run(key: str, **fields: Any) -> Document:
    """A run as it stands inside its course's document."""
    return {
        "key": key,
        "uuid": uuid_of(key),
        "status": "published",
        "pacing_type": "self_paced",
        "weeks_to_complete": 6,
        "restriction_type": None,
        "start": "2026-03-04T00:00:00Z",
        "end": "2026-04-22T23:59:59Z",
        "enrollment_start": "2025-11-01T00:00:00Z",
        "enrollment_end": "2026-02-25T23:59:59Z",
        "fixed_price_usd": None,
        "first_enrollable_paid_seat_price": 150,
        "seats": [{"type": "verified", "price": "150.00", "currency": "USD", "upgrade_deadline": None}],
        **fields,
    }


def content_course(key: str, *runs: Document, **fields: Any) -> Document:
    """A course, advertising its first run."""
    return {
        "key": key,
        "uuid": uuid_of(key),
        "content_type": "course",
        "title": f"Course {key}",
        "course_type": "verified-audit",
        "product_source": {"name": "edX", "slug": "edx"},
        "owners": [{"key": "A", "name": "University A", "logo_image_url": "https://img/a.png"}],
        "card_image_url": None,
        "image_url": "https://img/course.jpg",
        "entitlements": [],
        "advertised_course_run_uuid": runs[0]["uuid"] if runs else None,
        "course_runs": list(runs),
        "content_last_modified": "2026-01-12T04:10:55.120000Z",
        **fields,
    }


def run_document(key: str, parent: str, **fields: Any) -> Document:
    """A run as a document of its own."""
    return content_run(key) | {"content_type": "courserun", "parent_content_key": parent, **fields}


def program_document(name: str, **fields: Any) -> Document:
    return {"uuid": uuid_of(name), "content_type": "program", "title": name, **fields}


class EnterpriseCatalogs:
    """What each catalog has: `listed` on its pages, `hidden` only by key."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.listed: dict[str, list[Any]] = {CATALOG: []}
        self.hidden: dict[str, list[Any]] = {}
        self.paged: dict[str, list[Any]] = {}
        """What the pages of a catalog show in the place of `listed`: repeated or lacking documents."""
        self.asked: list[Request] = []
        self.answer: Callable[[Request], Response | None] = lambda _: None
        server.expect_request("/oauth2/access_token").respond_with_json({"access_token": "t", "expires_in": 3600})
        server.expect_request("/api/v1/enterprise-catalogs/").respond_with_handler(self._list)
        for uuid in (CATALOG, uuid_of("another catalog")):
            path = f"/api/v2/enterprise-catalogs/{uuid}/get_content_metadata/"
            server.expect_request(path).respond_with_handler(self._handler(uuid))

    @property
    def keys(self) -> list[list[str]]:
        """The keys that were asked for, call by call."""
        return [keys for request in self.asked if (keys := request.args.getlist("content_keys"))]

    def _list(self, _: Request) -> Response:
        listed = [{"uuid": uuid, "title": "A catalog", "enterprise_customer": CUSTOMER} for uuid in self.listed]
        page = {"count": len(listed), "next": None, "previous": None, "results": listed}
        return Response(orjson.dumps(page), content_type="application/json")

    def _handler(self, uuid: str) -> Callable[[Request], Response]:
        def respond(request: Request) -> Response:
            self.asked.append(request)
            if (answer := self.answer(request)) is not None:
                return answer
            return self.page(uuid, request)

        return respond

    def page(self, uuid: str, request: Request) -> Response:
        keys = {key.lower() for key in request.args.getlist("content_keys")}
        if len(request.args.getlist("content_keys")) > 100:
            return Response('"content_keys parameter is limited to 100 keys."', 400)
        listed = self.listed.get(uuid, [])
        every = [*listed, *self.hidden.get(uuid, [])]
        found = [one for one in every if self._matches(one, keys)] if keys else listed
        head: Document = {"uuid": uuid, "title": "A catalog", "previous": None}
        if request.args.get("traverse_pagination"):
            body = head | {"count": len(found), "next": None, "results": found}
        else:
            number, size = int(request.args["page"]), int(request.args["page_size"])
            shown = found if keys else self.paged.get(uuid, found)
            here = shown[(number - 1) * size : number * size]
            if not here and number > 1:
                return Response('{"detail": "Invalid page."}', 404)
            following = "more" if number * size < len(shown) else None
            body = head | {"count": len(found), "next": following, "results": here}
        return Response(orjson.dumps(body), content_type="application/json")

    @staticmethod
    def _matches(document: Any, keys: set[str]) -> bool:
        names = {document.get("key"), document.get("uuid"), document.get("parent_content_key")}
        names |= {run.get("key") for run in document.get("course_runs") or []}
        return not keys.isdisjoint({name.lower() for name in names if name})


class Replica(Catalog):
    """The catalog under test, with enterprise-catalog as its upstream."""

    def __init__(self, engine: Engine, settings: Settings, catalogs: EnterpriseCatalogs) -> None:
        self.engine = engine
        self.settings = settings.model_copy(update={"enterprise_catalog_url": catalogs.url, "reject_share": 1.0})
        self.execute("INSERT INTO catalog.enterprise_customer (uuid, name) VALUES (:uuid, 'Acme')", uuid=CUSTOMER)
        self.add_catalog(CATALOG)

    def add_catalog(self, uuid: str) -> None:
        self.execute(
            "INSERT INTO catalog.enterprise_catalog (uuid, title, enterprise_customer_id)"
            " SELECT :uuid, 'A catalog', id FROM catalog.enterprise_customer",
            uuid=uuid,
        )

    def add_assignment(self, content_key: str, state: str = "allocated", **values: Any) -> None:
        """An assignment whose policy names CATALOG."""
        if not self.rows("SELECT 1 FROM catalog.access_policy"):
            self.execute(
                """WITH made AS (
                       INSERT INTO catalog.assignment_configuration (uuid, enterprise_customer_id, owner)
                       SELECT gen_random_uuid(), id, 'here' FROM catalog.enterprise_customer
                       RETURNING id, enterprise_customer_id)
                   INSERT INTO catalog.access_policy (uuid, enterprise_customer_id, access_method, catalog_uuid,
                       enterprise_catalog_id, assignment_configuration_id)
                   SELECT gen_random_uuid(), m.enterprise_customer_id, 'assigned', c.uuid, c.id, m.id
                   FROM made m, catalog.enterprise_catalog c WHERE c.uuid = :uuid""",
                uuid=CATALOG,
            )
        row = {"content_key": content_key, "state": state, "learner_email": f"{content_key}@x.example", **values}
        row |= {"content_quantity": -15000}
        self.execute(
            f"""INSERT INTO catalog.content_assignment (uuid, assignment_configuration_id, {", ".join(row)})
                SELECT gen_random_uuid(), id, {", ".join(f":{name}" for name in row)}
                FROM catalog.assignment_configuration""",
            **row,
        )

    def load(self, uuid: str = CATALOG, *, full: bool = False, accept_removals: bool = False) -> EnterpriseLoad:
        (found,) = find_catalogs(self.engine, [uuid])
        with upstreams(self.settings) as clients:
            return load_catalog(self.engine, clients, found, full=full, accept_removals=accept_removals)

    def loaded(self, uuid: str = CATALOG, **options: Any) -> LoadReport:
        """The report of a load that was applied."""
        load = self.load(uuid, **options)
        assert load.outcome == "applied", load.detail
        return load.report

    def fetch(self, *keys: str, uuid: str = CATALOG) -> LoadReport:
        with upstreams(self.settings) as clients:
            return fetch_by_key(self.engine, clients, uuid, list(keys))

    def content(self, columns: str = "content_key, status, listed") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM catalog.content_metadata ORDER BY content_key")

    def runs(self, columns: str = "run_key, missing_since IS NULL") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM catalog.content_run ORDER BY run_key")

    def outcome(self, uuid: str = CATALOG) -> tuple[Any, ...]:
        """last_outcome, and whether it was ever fetched."""
        query = "SELECT last_outcome, fetched_at IS NOT NULL FROM catalog.enterprise_catalog WHERE uuid = :uuid"
        return self.rows(query, uuid=uuid)[0]


@pytest.fixture
def catalogs(httpserver: HTTPServer) -> EnterpriseCatalogs:
    return EnterpriseCatalogs(httpserver)


@pytest.fixture
def replica(engine: Engine, settings: Settings, catalogs: EnterpriseCatalogs) -> Replica:
    return Replica(engine, settings, catalogs)
