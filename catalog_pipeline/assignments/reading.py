"""Reads assignments, with what the replica holds of their content. It never asks an upstream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.database.keys import folded, typed
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.models.assignment import ASSIGNMENT_STATES

LEARNER_STATES = ("notifying", "waiting", "expired", "failed")
"""What an assignment is for its learner, in the order of a sort. One that is accepted or cancelled has none."""
SORTS: Final = {
    "recent_action_time": "recent_action_time",
    "learner_state": f"coalesce(array_position(ARRAY{list(LEARNER_STATES)}, learner_state), 999)",
    "content_quantity": "content_quantity",
    "title": f"{folded('title')}",
    "start": "start",
    "enroll_by": "enroll_by",
    "expiration": "expires_at",
}
"""What a list may be sorted by → SQL."""
NEWEST_FIRST = "-recent_action_time"
MAILED = """
    SELECT content_assignment_id,
           bool_or(action_type = 'notified' AND completed_at IS NOT NULL) AS notified,
           bool_or(action_type = 'notified' AND error_reason IS NOT NULL) AS failed,
           max(completed_at) FILTER (WHERE action_type = 'reminded') AS reminded_at
    FROM catalog.assignment_action"""
"""What the actions of assignments tell: a WHERE or GROUP BY follows."""
DERIVED = """
    SELECT a.*, g.uuid AS configuration_uuid, g.owner,
           CASE a.state WHEN 'allocated' THEN CASE WHEN n.notified THEN 'waiting' WHEN n.failed THEN 'failed'
                                                   ELSE 'notifying' END
                        WHEN 'expired' THEN 'expired' WHEN 'errored' THEN 'failed' END AS learner_state,
           greatest(a.allocated_at, n.reminded_at) AS recent_action_time,
           CASE WHEN n.reminded_at >= a.allocated_at THEN 'reminded' ELSE 'assigned' END AS recent_action_type,
           coalesce(m.status, CASE WHEN r.missing_since IS NULL THEN 'found' ELSE 'not_in_catalog' END)
               AS held_status,
           m.id IS NOT NULL OR r.id IS NOT NULL AS is_listed,
           m.content_type IS NOT NULL OR p.id IS NOT NULL AS is_held,
           coalesce(m.content_key, r.parent_content_key) AS held_key, m.title AS held_title,
           coalesce(m.title, a.content_title) AS title, m.course_type, m.partners, m.image_url,
           CASE WHEN p.id IS NULL THEN m.advertised_run_key ELSE p.run_key END AS run_key,
           CASE WHEN p.id IS NULL THEN m.start ELSE p.start END AS start,
           CASE WHEN p.id IS NULL THEN m."end" ELSE p."end" END AS "end",
           CASE WHEN p.id IS NULL THEN m.enroll_by ELSE p.enroll_by END AS enroll_by,
           CASE WHEN p.id IS NULL THEN m.price ELSE p.price END AS price,
           e.expires_at, e.reason
    FROM catalog.content_assignment a
    JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id
    LEFT JOIN {mailed} n ON n.content_assignment_id = a.id
    LEFT JOIN catalog.content_metadata m ON m.id = a.content_metadata_id
    LEFT JOIN catalog.content_run r ON r.id = a.content_run_id
    -- The dates of the preferred run are shown while its course has it.
    LEFT JOIN catalog.content_run p ON p.id = r.id AND (p.missing_since IS NULL OR m.content_type IS NULL)
        AND coalesce(p.content_metadata_id, a.content_metadata_id, 0) = coalesce(a.content_metadata_id, 0)
    LEFT JOIN catalog.assignment_expiration e ON e.content_assignment_id = a.id"""
EACH = f"LATERAL ({MAILED} WHERE content_assignment_id = a.id GROUP BY 1)"
ALL = f"({MAILED} GROUP BY 1)"
CONFIGURATION = "SELECT id FROM catalog.assignment_configuration WHERE uuid = :uuid"
PAGE = """
    SELECT id FROM filtered ORDER BY {sort}, id LIMIT :limit OFFSET :offset"""
ACTIONS = """
    SELECT content_assignment_id, created_at AS created, updated_at AS modified, uuid, action_type, completed_at,
           error_reason
    FROM catalog.assignment_action WHERE content_assignment_id = ANY(:ids) ORDER BY created_at, id"""
EXPIRATIONS = "SELECT * FROM catalog.assignment_expiration WHERE content_assignment_id = ANY(:ids)"
OWN = (
    *("uuid", "learner_email", "lms_user_id", "content_key", "parent_content_key", "is_assigned_course_run"),
    *("preferred_course_run_key", "content_title", "content_quantity", "state", "transaction_uuid"),
)
TIMES = (
    *("allocated_at", "allocated_at_from", "accepted_at", "cancelled_at", "expired_at", "expired_reason"),
    *("errored_at", "reversed_at"),
)
CONTENT = ("course_type", "run_key", "start", "end", "enroll_by", "price", "partners", "image_url")


@dataclass(frozen=True)
class Filters:
    """Which assignments a list has; None and () for all. Keys and addresses are compared without regard to case."""

    configuration: UUID | None = None
    states: Sequence[str] = ()
    learner_states: Sequence[str] = ()
    email: str | None = None
    learner: int | None = None
    content: str | None = None
    search: str | None = None

    def __post_init__(self) -> None:
        _known("state", self.states, ASSIGNMENT_STATES)
        _known("learner state", self.learner_states, LEARNER_STATES)

    @property
    def condition(self) -> str:
        """SQL over the rows of DERIVED."""
        sought = f"position({folded('CAST(:search AS text)')} IN {folded('{}')}) > 0"
        searched = " OR ".join(
            sought.format(column) for column in ("content_title", "held_title", "learner_email", "content_key")
        )
        partner = sought.format("partner ->> 'name'")
        conditions = {
            "configuration": "configuration_uuid = :configuration",
            "states": "state = ANY(:states)",
            "learner_states": "learner_state = ANY(:learner_states)",
            "email": f"{folded('learner_email')} = {folded('trim(CAST(:email AS text))')}",
            "learner": "lms_user_id = :learner",
            "content": f"{folded(typed('CAST(:content AS text)'))}"
            f" IN ({folded('content_key')}, {folded('parent_content_key')})",
            "search": f"({searched} OR EXISTS (SELECT FROM jsonb_array_elements(partners) partner WHERE {partner}))",
        }
        return " AND ".join([sql for name, sql in conditions.items() if self.parameters[name] is not None] or ["true"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of `condition`; None for what does not matter."""
        return {**vars(self), "states": list(self.states) or None, "learner_states": list(self.learner_states) or None}


@dataclass(frozen=True)
class Page:
    """A part of the assignments that match, how many match, and how many of these have each learner state."""

    count: int
    learner_state_counts: list[Row]
    assignments: list[Row]


def list_assignments(
    connection: Connection, filters: Filters, *, sort: str = NEWEST_FIRST, limit: int = 100, offset: int = 0
) -> Page:
    """The assignments that match, a page of them as `show_assignments` has them.

    Raises UsageError for a sort or a configuration that there is not.
    """
    order = _order(sort)
    if filters.configuration and not rows(connection, CONFIGURATION, uuid=filters.configuration):
        raise UsageError(f"There is no assignment configuration {filters.configuration}.")
    matching = f"filtered AS MATERIALIZED (SELECT * FROM ({DERIVED.format(mailed=ALL)}) d WHERE {filters.condition})"
    given = {name: value for name, value in filters.parameters.items() if value is not None}
    found = rows(
        connection,
        f"""WITH {matching}, page AS ({PAGE.format(sort=order)})
            SELECT (SELECT count(*) FROM filtered) AS count, ARRAY(SELECT id FROM page) AS ids,
                   (SELECT coalesce(jsonb_agg(jsonb_build_object('learner_state', learner_state, 'count', n)
                                              ORDER BY n DESC, learner_state), '[]')
                    FROM (SELECT learner_state, count(*) AS n FROM filtered WHERE learner_state IS NOT NULL GROUP BY 1)
                        AS counted) AS learner_state_counts""",
        **given,
        limit=limit,
        offset=offset,
    )[0]
    return Page(found["count"], found["learner_state_counts"], show_assignments(connection, found["ids"]))


def ours(connection: Connection, filters: Filters, states: Sequence[str]) -> list[UUID]:
    """The uuids of the assignments that match, are in one of these states, and are not enterprise-access's."""
    given = {name: value for name, value in filters.parameters.items() if value is not None}
    query = f"""SELECT uuid FROM ({DERIVED.format(mailed=ALL)}) d
                WHERE {filters.condition} AND owner = 'here' AND state = ANY(:in_states) ORDER BY allocated_at, uuid"""
    return [row["uuid"] for row in rows(connection, query, **given, in_states=list(states))]


def show_assignment(connection: Connection, uuid: UUID) -> Row:
    """One assignment with all that is known of it. Raises UsageError for an unknown one."""
    found = rows(connection, "SELECT id FROM catalog.content_assignment WHERE uuid = :uuid", uuid=uuid)
    if not found:
        raise UsageError(f"There is no assignment {uuid}; `catalog-pipeline assignments list` shows those there are.")
    return show_assignments(connection, [found[0]["id"]])[0]


def show_assignments(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """Assignments by id, in the order of the ids, with actions, content and expiration."""
    found = {
        row["id"]: row
        for row in rows(
            connection, f"SELECT * FROM ({DERIVED.format(mailed=EACH)}) d WHERE id = ANY(:ids)", ids=list(ids)
        )
    }
    actions: dict[int, list[Row]] = {}
    for action in rows(connection, ACTIONS, ids=list(ids)):
        actions.setdefault(action.pop("content_assignment_id"), []).append(action)
    expirations = {row.pop("content_assignment_id"): row for row in rows(connection, EXPIRATIONS, ids=list(ids))}
    return [_shown(found[one], actions.get(one, []), expirations.get(one)) for one in ids]


def _shown(row: Row, actions: list[Row], expiration: Row | None) -> Row:
    return {
        **{name: row[name] for name in OWN},
        "assignment_configuration": row["configuration_uuid"],
        "actions": actions,
        "earliest_possible_expiration": expiration
        and {"date": expiration["expires_at"], "reason": expiration["reason"]},
        "recent_action": {"action_type": row["recent_action_type"], "timestamp": row["recent_action_time"]},
        "learner_state": row["learner_state"],
        "error_reason": _error(row, actions),
        **{name: row[name] for name in TIMES},
        "credit_request_uuid": row["credit_request_uuid"],
        "owner": row["owner"],
        "content_status": row["held_status"] if row["is_listed"] else "not_fetched",
        "content": {"content_key": row["held_key"], "title": row["held_title"], **{name: row[name] for name in CONTENT}}
        if row["is_held"]
        else None,
        "expiration": expiration,
    }


def _error(row: Row, actions: list[Row]) -> Row | None:
    """The newest error, where it still matters."""
    if row["state"] not in ("errored", "allocated"):
        return None
    failed = [action for action in actions if action["error_reason"]]
    return {name: failed[-1][name] for name in ("action_type", "error_reason")} if failed else None


def _order(sort: str) -> str:
    """SQL of a sort; what has no value comes last."""
    name = sort.removeprefix("-")
    _known("sort", [name], tuple(SORTS))
    return f"{SORTS[name]} {'DESC' if sort.startswith('-') else 'ASC'} NULLS LAST"


def _known(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    for one in given:
        if one not in known:
            raise UsageError(f"{one!r} is no {what}: there are {', '.join(known)}.")
