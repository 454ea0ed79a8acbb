"""Customers, catalogs and assignments for tests, made of what matters to them."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text
from werkzeug import Request, Response

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows

NAMESPACE = UUID("5b1f6f0e-0000-4000-8000-000000000000")


def uuid_of(name: str) -> str:
    """A uuid for a name, always the same."""
    return str(uuid5(NAMESPACE, name))


def assignment(name: str, /, **fields: Any) -> dict[str, Any]:
    """An assignment as enterprise-access lists it; its address is <name>@example.org."""
    return {
        "uuid": uuid_of(name),
        "assignment_configuration": uuid_of("configuration"),
        "learner_email": f"{name}@example.org",
        "content_key": "AcmeX+LEAD10",
        "content_quantity": -10_000,
        "state": "allocated",
        "recent_action": {"action_type": "assigned", "timestamp": "2026-01-05T10:00:00Z"},
        **fields,
    }


def json_lines(path: Path, *records: Any) -> Path:
    """A file with these records, one a line; text as it is."""
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records) + "\n")
    return path


class Acme:
    """A database with a customer and its configuration, and what stands in its tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.execute(
            "INSERT INTO catalog.enterprise_customer (uuid, name) VALUES (:customer, 'Acme')",
            customer=uuid_of("customer"),
        )
        self.add_configuration("configuration")

    def execute(self, statement: str, **parameters: Any) -> None:
        with connected(self.engine) as connection:
            connection.execute(text(statement), parameters)

    def rows(self, query: str, **parameters: Any) -> list[Row]:
        with connected(self.engine) as connection:
            return rows(connection, query, **parameters)

    def add_configuration(self, name: str, owner: str = "here") -> None:
        """A configuration of the customer."""
        self.execute(
            "INSERT INTO catalog.assignment_configuration (enterprise_customer_id, uuid, owner)"
            " SELECT id, :uuid, :owner FROM catalog.enterprise_customer WHERE uuid = :customer",
            uuid=uuid_of(name),
            owner=owner,
            customer=uuid_of("customer"),
        )

    def assignment(self, name: str) -> Row:
        """The row of an assignment."""
        (row,) = self.rows("SELECT * FROM catalog.content_assignment WHERE uuid = :uuid", uuid=uuid_of(name))
        return row

    def versions(self) -> list[Row]:
        """What tells whether any row of the catalog was written."""
        return versions_of(self.engine)


def versions_of(engine: Engine) -> list[Row]:
    """The versions of all rows of customers, and of what they have: of, id, v."""
    tables = ("enterprise_customer", "enterprise_catalog", "enterprise_learner", "subsidy", "access_policy")
    tables += ("assignment_configuration", "content_assignment", "assignment_action")
    each = " UNION ALL ".join(f"SELECT '{t}' AS of, id, xmin::text AS v FROM catalog.{t}" for t in tables)
    with connected(engine) as connection:
        return rows(connection, f"{each} ORDER BY of, id")


@pytest.fixture
def acme(engine: Engine) -> Acme:
    return Acme(engine)


Document = dict[str, Any]
LISTS = {
    "enterprise-catalogs": "/api/v1/enterprise-catalogs/",
    "subsidies": "/api/v1/subsidies/",
    "configurations": "/api/v1/assignment-configurations/",
    "policies": "/api/v1/subsidy-access-policies/",
}


class EnterpriseServices:
    """The three services over HTTP for each test: `lists` by name, the assignments by their configuration."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.lists: dict[str, list[Document]] = {name: [] for name in LISTS}
        self.assignments: dict[str, list[Document]] = {}
        self.broken: dict[str, int] = {}
        """The status that a path answers."""
        self.asked: list[str] = []
        server.expect_request("/oauth2/access_token").respond_with_json({"access_token": "t", "expires_in": 3600})
        server.expect_request(re.compile("/api/.*")).respond_with_handler(self._respond)

    def _respond(self, request: Request) -> Response:
        self.asked.append(request.path)
        for path, status in self.broken.items():
            if request.path.startswith(path):
                return Response("{}", status)
        found = self._documents(request)
        if found is None:
            return Response("{}", 404)
        number, size = int(request.args["page"]), int(request.args["page_size"])
        here = found[(number - 1) * size : number * size]
        following = "more" if number * size < len(found) else None
        body = {"count": len(found), "next": following, "previous": None, "results": here}
        return Response(json.dumps(body), content_type="application/json")

    def _documents(self, request: Request) -> list[Document] | None:
        for name, path in LISTS.items():
            if request.path == path:
                customer = request.args.get("enterprise_customer_uuid")
                return [one for one in self.lists[name] if customer in (None, one.get("enterprise_customer_uuid"))]
        return self.assignments.get(request.path.split("/")[4])


@pytest.fixture
def services(httpserver: HTTPServer) -> EnterpriseServices:
    return EnterpriseServices(httpserver)
