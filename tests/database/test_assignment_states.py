"""The states of assignments: they change as the table of transitions says, whoever changes them."""

from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.assignments import Budget

from catalog_pipeline.database.engine import connected
from catalog_pipeline.models.assignment import ASSIGNMENT_STATES, TRANSITIONS


def change(budget: Budget, assignment: int, state: str, actor: str | None = None) -> None:
    with connected(budget.engine) as connection:
        if actor:
            connection.execute(text("SELECT set_config('catalog.actor', :actor, true)"), {"actor": actor})
        query = "UPDATE catalog.content_assignment SET state = :state WHERE id = :id"
        connection.execute(text(query), {"state": state, "id": assignment})


@pytest.mark.parametrize(("before", "after"), list(product(ASSIGNMENT_STATES, ASSIGNMENT_STATES)))
def test_a_state_changes_as_the_table_of_transitions_says_for_psql_too(budget: Budget, before: str, after: str) -> None:
    assignment = budget.assign(state=before)
    if before == after or (before, after) in TRANSITIONS:
        change(budget, assignment, after)
        return
    with pytest.raises(IntegrityError, match=f"Assignment [-0-9a-f]+ cannot go from {before} to {after}"):
        change(budget, assignment, after)


def test_one_row_that_may_not_change_keeps_all_of_its_statement(budget: Budget) -> None:
    for state in ("allocated", "accepted"):
        budget.assign(f"{state}@b.example", state=state)
    with pytest.raises(IntegrityError, match="from accepted to cancelled"), connected(budget.engine) as connection:
        connection.execute(text("UPDATE catalog.content_assignment SET state = 'cancelled'"))
    states = budget.rows("SELECT state FROM catalog.content_assignment ORDER BY id")
    assert [row["state"] for row in states] == ["allocated", "accepted"]


@pytest.mark.parametrize(
    ("owner", "actor", "may"),
    [("enterprise_access", "load:7", True), ("enterprise_access", "cli:ann", False), ("here", "load:7", False)],
)
def test_only_replication_repeats_whatever_its_owner_says(budget: Budget, owner: str, actor: str, may: bool) -> None:
    assignment = budget.assign(state="accepted")
    budget.update("assignment_configuration", budget.configuration, owner=owner)
    if may:
        change(budget, assignment, "expired", actor)
        return
    with pytest.raises(IntegrityError, match="from accepted to expired"):
        change(budget, assignment, "expired", actor)


def test_a_transition_that_is_added_is_allowed(budget: Budget) -> None:
    assignment = budget.assign(state="accepted")
    with connected(budget.engine) as connection:
        connection.execute(text("INSERT INTO catalog.assignment_transition VALUES ('accepted', 'errored')"))
    change(budget, assignment, "errored")
