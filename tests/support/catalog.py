"""An upstream over HTTP for each test: it serves the documents in its lists as discovery and the LMS would."""

import socket
from collections.abc import Callable, Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text
from werkzeug import Request, Response

from catalog_pipeline.associations.planning import AssociationPlan, associate
from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.replication.refresh import refresh
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import upstreams

Document = dict[str, Any]


def uuid_of(name: str) -> str:
    """The same uuid for the same name."""
    return str(uuid5(NAMESPACE_URL, name))


def organization(key: str, **fields: Any) -> Document:
    return {"key": key, "uuid": uuid_of(f"org {key}"), "name": f"University {key}", **fields}


def run(key: str, **fields: Any) -> Document:
    return {
        "key": key,
        "uuid": uuid_of(key),
        "title": f"Run {key}",
        "status": "published",
        "pacing_type": "self_paced",
        "content_language": "en-us",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-06-01T00:00:00Z",
        "seats": [{"type": "verified", "price": "150.00", "currency": "USD", "upgrade_deadline": None}],
        "variant_id": None,
        **fields,
    }


def course(key: str, *runs: Document, **fields: Any) -> Document:
    return {
        "key": key,
        "uuid": uuid_of(key),
        "title": f"Course {key}",
        "owners": [organization(key.split("+")[0])],
        "subjects": [{"name": "Mathematics"}],
        "course_type": "verified-audit",
        "product_source": {"slug": "edx"},
        "additional_metadata": None,
        "key_for_reruns": "",
        "course_runs": list(runs),
        "data_modified_timestamp": "2026-01-01T00:00:00Z",
        **fields,
    }


def program(name: str, *courses: str, **fields: Any) -> Document:
    listed = [{"key": key, "uuid": uuid_of(key)} for key in courses]
    return {"uuid": uuid_of(name), "title": name, "type": "XSeries", "status": "active", "courses": listed, **fields}


def lms_run(key: str, **fields: Any) -> Document:
    return {
        "course_id": key,
        "name": f"LMS {key}",
        "pacing": "instructor",
        "hidden": False,
        "start_type": "empty",
        **fields,
    }


class Upstream:
    """Lists of documents, served page by page."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.lists: dict[str, list[Any]] = {"organizations": [], "courses": [], "programs": [], "lms": []}
        self.asked: list[str] = []
        self.replaced: dict[bytes, bytes] = {}
        self.before_page: Callable[[str, int], None] = lambda *_: None
        for name in ("organizations", "courses", "programs"):
            server.expect_request(f"/api/v1/{name}/").respond_with_handler(self._handler(name))
        server.expect_request("/api/courses/v1/courses/").respond_with_handler(self._handler("lms"))

    @property
    def courses(self) -> list[Any]:
        return self.lists["courses"]

    @courses.setter
    def courses(self, documents: list[Any]) -> None:
        self.lists["courses"] = documents

    def _handler(self, name: str) -> Callable[[Request], Response]:
        def respond(request: Request) -> Response:
            self.asked.append(request.full_path)
            number, size = int(request.args["page"]), int(request.args["page_size"])
            try:
                self.before_page(name, number)
            except ConnectionError:
                request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)  # else the client waits for an answer
                raise
            since = request.args.get("timestamp")
            listed = [d for d in self.lists[name] if not since or d.get("data_modified_timestamp", "9") >= since]
            here = listed[(number - 1) * size : number * size]
            if not here and number > 1:
                return Response('{"detail": "Invalid page."}', 404)
            following = "more" if number * size < len(listed) else None
            page: Document = {"results": here, "count": len(listed), "next": following}
            if name == "lms":
                page = {"results": here, "pagination": {"count": len(listed), "next": following}}
            # JSON allows half a surrogate pair, but orjson does not write it: it replaces a marker.
            body = orjson.dumps(page).replace(b"HALF", b"\\ud800")
            for served, instead in self.replaced.items():
                body = body.replace(served, instead)
            return Response(body, content_type="application/json")

        return respond


@pytest.fixture
def upstream(httpserver: HTTPServer) -> Upstream:
    return Upstream(httpserver)


class Catalog:
    """The catalog under test: refresh it, ask it."""

    def __init__(self, engine: Engine, settings: Settings, upstream: Upstream) -> None:
        self.engine = engine
        self.settings = settings.model_copy(
            update={
                "discovery_url": upstream.url,
                "lms_url": upstream.url,
                "reject_share": 1.0,
                "removal_share": 1.0,
            }
        )

    def refresh(self, source: str = "discovery", *, full: bool = True, accept_removals: bool = False) -> LoadReport:
        with upstreams(self.settings) as found:
            return refresh(self.engine, found, source, full=full, accept_removals=accept_removals).report

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with connected(self.engine) as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]

    def value(self, query: str, **parameters: Any) -> Any:
        return self.rows(query, **parameters)[0][0]

    def execute(self, statement: str, **parameters: Any) -> None:
        with connected(self.engine) as connection:
            connection.execute(text(statement), parameters)

    def add_run(self, run_key: str, **values: Any) -> None:
        """Insert a run as a person would with psql: only the row, without an association."""
        row = {
            "run_key": run_key,
            "key_org": "",
            "key_course": "",
            "key_run": "",
            "title": "Run",
            "status": "published",
        }
        row |= values
        names = ", ".join(f'"{name}"' for name in row)
        self.execute(
            f"INSERT INTO catalog.course_run ({names}) VALUES ({', '.join(f':{name}' for name in row)})", **row
        )

    def associate(self) -> AssociationPlan:
        """Apply the plan of every run."""
        return associate(self.engine)[1]

    def rejects(self) -> list[tuple[Any, ...]]:
        """Open rejects: record_key, column_name, rule."""
        return self.rows(
            "SELECT record_key, column_name, rule FROM ops.rejected_record WHERE cleared_at IS NULL ORDER BY 1, 2, 3"
        )

    def courses_of_runs(self) -> dict[str, str]:
        return dict(self.rows("SELECT run_key, course_key FROM catalog.run"))  # pyright: ignore[reportArgumentType]

    def versions(self) -> list[tuple[Any, ...]]:
        """The transaction that last wrote each row of the catalog and of landing."""
        tables = self.rows(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.columns JOIN pg_tables"
            " ON (schemaname, tablename) = (table_schema, table_name) WHERE column_name = 'id'"
            " AND (table_schema = 'catalog' OR (table_schema, table_name) = ('landing', 'document'))"
        )
        query = " UNION ALL ".join(f"SELECT '{name}', id, xmin::text FROM {name}" for (name,) in tables)
        return sorted(self.rows(query))


@pytest.fixture
def catalog(engine: Engine, settings: Settings, upstream: Upstream) -> Iterator[Catalog]:
    return Catalog(engine, settings, upstream)
