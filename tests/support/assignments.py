"""Customers, catalogs, content and assignments made by SQL, each from what matters to the test."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from catalog_pipeline.assignments.expirations import EVERYTHING, Rebuilt, Scope, rebuild
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
COURSE, RUN = "AcmeX+LEAD10", "course-v1:AcmeX+LEAD10+1T2026"
DAY = timedelta(days=1)


def day(number: float) -> datetime:
    """So many days after NOW."""
    return NOW + number * DAY


class Budget:
    """One customer with a catalog, a subsidy, and a policy that has a configuration; what is made returns its id."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.customer = self.insert("enterprise_customer", uuid=UUID(int=1), name="Acme", slug="acme")
        of = {"enterprise_customer_id": self.customer}
        self.catalog = self.insert("enterprise_catalog", **of, uuid=UUID(int=2), title="Leadership")
        self.subsidy = self.insert("subsidy", **of, uuid=UUID(int=3), current_balance=1_000_000)
        self.configuration = self.insert("assignment_configuration", **of, uuid=UUID(int=4), owner="here")
        self.policy = self.insert(
            "access_policy",
            **of,
            uuid=UUID(int=5),
            access_method="assigned",
            catalog_uuid=UUID(int=2),
            subsidy_uuid=UUID(int=3),
            enterprise_catalog_id=self.catalog,
            subsidy_id=self.subsidy,
            assignment_configuration_id=self.configuration,
        )

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row into a table of the schema `catalog`; returns its id."""
        names = ", ".join(f'"{name}"' for name in values)
        with connected(self.engine) as connection:
            return connection.execute(
                text(f"INSERT INTO catalog.{table} ({names}) VALUES (:{', :'.join(values)}) RETURNING id"), values
            ).scalar_one()

    def update(self, table: str, row_id: int, **values: Any) -> None:
        """Change a row of a table of the schema `catalog`."""
        changes = ", ".join(f'"{name}" = :{name}' for name in values)
        with connected(self.engine) as connection:
            connection.execute(text(f"UPDATE catalog.{table} SET {changes} WHERE id = :id"), {**values, "id": row_id})

    def configure(self, number: int, **values: Any) -> int:
        """Another configuration of the customer, without a policy."""
        values = {"enterprise_customer_id": self.customer, "uuid": UUID(int=number), "owner": "here", **values}
        return self.insert("assignment_configuration", **values)

    def course(self, key: str = COURSE, **values: Any) -> int:
        """A course that the catalog holds."""
        values = {"content_type": "course", "content_hash": f"hash of {key}", "title": f"About {key}", **values}
        return self.insert("content_metadata", **{"enterprise_catalog_id": self.catalog, **values, "content_key": key})

    def run(self, course: int | None, key: str = RUN, **values: Any) -> int:
        """A run that the catalog holds."""
        values = {"enterprise_catalog_id": self.catalog, **values, "content_metadata_id": course, "run_key": key}
        return self.insert("content_run", **values)

    def assign(self, email: str = "ann@acme.example", content_key: str = COURSE, **values: Any) -> int:
        """An assignment, allocated now."""
        standing = {
            "assignment_configuration_id": self.configuration,
            "content_quantity": -260_000,
            "allocated_at": NOW,
        }
        return self.insert(
            "content_assignment", **{**standing, **values, "learner_email": email, "content_key": content_key}
        )

    def rebuild(self, scope: Scope = EVERYTHING, as_of: datetime = NOW, **options: Any) -> Rebuilt:
        """Rebuild expirations in a load of its own."""
        return rebuild(self.engine, scope, as_of=as_of, **options)

    def expiration(self, assignment: int) -> Row:
        """The expiration of an assignment."""
        query = "SELECT * FROM catalog.assignment_expiration WHERE content_assignment_id = :id"
        return self.rows(query, id=assignment)[0]

    def moves(self, assignment: int) -> list[Row]:
        """How its expiration changed, first to last, without the first decision."""
        return self.rows(
            """SELECT old_expires_at, old_reason, new_expires_at, new_reason, cause, after_expiry, state
               FROM ops.expiration_change WHERE content_assignment_id = :id AND old_reason IS NOT NULL ORDER BY id""",
            id=assignment,
        )

    def rows(self, query: str, **parameters: Any) -> list[Row]:
        """The rows of a query."""
        with connected(self.engine) as connection:
            return rows(connection, query, **parameters)


@pytest.fixture
def budget(engine: Engine) -> Budget:
    """A customer with a catalog, a subsidy, a policy and a configuration, in the test's database."""
    return Budget(engine)
