"""Customers, catalogs and assignments for tests, made of what matters to them."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from sqlalchemy import Engine, text

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


class Enterprise:
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
def record_store(engine: Engine) -> Enterprise:
    return Enterprise(engine)
