"""Why an assignment expires when it does: what the dates were, which one decides, what moved it, and who was told."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection

from catalog_pipeline.assignments.reading import show_assignment
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.notifications.outbox import STATE
from catalog_pipeline.rules.expiration import CANDIDATES, REASONS
from catalog_pipeline.rules.instants import parse_instants

SAID = f"""
    SELECT c.uuid AS catalog_uuid, c.title AS catalog_title, c.fetched_at, c.last_outcome, s.expiration_raw,
           r.enrollment_end_raw, r.upgrade_deadline_raw
    FROM catalog.content_assignment a
    LEFT JOIN catalog.access_policy p ON p.assignment_configuration_id = a.assignment_configuration_id
    LEFT JOIN catalog.subsidy s ON s.id = p.subsidy_id
    LEFT JOIN catalog.enterprise_catalog c ON c.id = p.enterprise_catalog_id
    LEFT JOIN catalog.assignment_expiration e ON e.content_assignment_id = a.id
    LEFT JOIN catalog.content_run r ON r.enterprise_catalog_id = c.id AND {folded("r.run_key")} = {folded("e.run_key")}
    WHERE a.uuid = :uuid"""
MOVES = """
    SELECT c.moved_at, c.old_expires_at, c.old_reason, c.new_expires_at, c.new_reason, c.run_key, c.cause, c.state,
           c.after_expiry
    FROM ops.expiration_change c JOIN catalog.content_assignment a ON a.id = c.content_assignment_id
    WHERE a.uuid = :uuid ORDER BY c.id"""
MAILS = f"""
    SELECT kind, subject, {STATE} AS state, created_at, sent_at FROM ops.outbox
    WHERE id IN (SELECT t.outbox_id FROM catalog.assignment_action t
                 JOIN catalog.content_assignment a ON a.id = t.content_assignment_id WHERE a.uuid = :uuid)
    ORDER BY id"""
DEADLINES = {
    "latest_run": "the enrollment deadline of {run}, the latest of the course: it answers a learner's request",
    "preferred_run": "the enrollment deadline of its run {run}",
    "fallback": "the enrollment deadline of {run}, the advertised run: its own run is not in the course any more",
    "advertised_run": "the enrollment deadline of {run}, the advertised run: it prefers no run",
}


def explain_assignment(connection: Connection, uuid: UUID) -> Row:
    """Why an assignment expires when it does. Raises UsageError for an unknown one."""
    shown = show_assignment(connection, uuid)
    content, expiration = shown.pop("content"), shown.pop("expiration")
    said = rows(connection, SAID, uuid=uuid)[0]
    about = {name: said[name] for name in ("catalog_uuid", "catalog_title", "fetched_at", "last_outcome")}
    return {
        "assignment": shown,
        "expiration": expiration,
        "candidates": _candidates(expiration, said) if expiration else [],
        "because": _because(shown, expiration),
        "content": content and {**content, "status": shown["content_status"], **about},
        "moves": rows(connection, MOVES, uuid=uuid),
        "mails": rows(connection, MAILS, uuid=uuid),
    }


def _candidates(expiration: Row, said: Row) -> list[Row]:
    """The date of each reason, and the text that it was read from."""
    raws = [said["expiration_raw"], _deadline_raw(expiration["enroll_by"], said), None]
    return [
        {"reason": reason, "date": expiration[date], "raw": raw}
        for reason, date, raw in zip(REASONS, CANDIDATES, raws, strict=True)
    ]


def _deadline_raw(enroll_by: datetime | None, said: Row) -> str | None:
    """Of the two texts that a deadline may come from, the one that says it; else the first that says anything."""
    texts = [text for text in (said["enrollment_end_raw"], said["upgrade_deadline_raw"]) if text]
    read: list[Any] = list(parse_instants(pd.Series(texts, dtype="str")))
    return next((text for text, instant in zip(texts, read, strict=True) if instant == enroll_by), (texts or [None])[0])


def _because(shown: Row, expiration: Row | None) -> str:
    """What decides, in a sentence or two."""
    if expiration is None:
        return "It was not decided yet when it expires: `catalog-pipeline assignments rebuild` does."
    date = f"{expiration['expires_at']:%Y-%m-%d %H:%M} UTC"
    why = {
        "SUBSIDY_EXPIRED": "the subsidy that pays for it expires then",
        "NINETY_DAYS_PASSED": f"it was allocated at {shown['allocated_at']:%Y-%m-%d %H:%M}, ninety days before",
    }.get(expiration["reason"]) or DEADLINES[expiration["deadline_from"]].format(
        run=expiration["run_key"] or "the course"
    )
    said = f"It expires at {date}: {why}."
    if shown["state"] == "expired":
        said += f" It expired at {shown['expired_at']:%Y-%m-%d %H:%M} UTC." if shown["expired_at"] else " It expired."
    elif shown["state"] != "allocated":
        said += f" But it is {shown['state']}, and only allocated ones expire."
    for problem in expiration["problems"]:
        said += f" The date {problem['field']} cannot be read and does not count: {problem['raw']!r}."
    return said
