"""Assignments as enterprise-access sends them to an admin, with what it derives at each read.

The expiration is derived as upstream does it, so it is wrong where upstream is: a preferred run that its course no
longer has means no deadline at all. The documents have no `allocated_at`, no preferred run and no credit request, which
upstream keeps to itself. Where upstream's behaviour is not known for certain: an assignment without a policy expires by
its 90 days alone. Search, and orders other than the default one, are left out.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from catalog_pipeline.sample.assignments import Assignment, stamp
from catalog_pipeline.sample.customers import Customers, Policy
from catalog_pipeline.sample.enterprise_shelf import EnterpriseShelf
from catalog_pipeline.sample.payloads import Document

NINETY_DAYS = timedelta(days=90)
DATE_FORMS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%fZ")
FILTERS = ("content_key", "learner_email", "lms_user_id", "state", "learner_state")


class AssignmentDocuments:
    """Makes the documents as of the shelf's day."""

    def __init__(self, customers: Customers, shelf: EnterpriseShelf) -> None:
        self.customers = customers
        self.shelf = shelf

    def listed(self, assignments: Iterable[Assignment], query: Iterable[tuple[str, str]]) -> list[Document]:
        """The documents that pass the query's filters, those of the most recent action first.

        A filter is a field's name (`state`) with one value, or with `__in` and values between commas.
        """
        wanted = {name: value for name, value in query if name.removesuffix("__in") in FILTERS}
        documents = [self.document(assignment) for assignment in assignments]
        found = [one for one in documents if all(_passes(one, name, value) for name, value in wanted.items())]
        return sorted(found, key=lambda one: (one["recent_action"] or {}).get("timestamp") or "", reverse=True)

    @staticmethod
    def learner_state_counts(documents: Iterable[Document]) -> list[Document]:
        """How many assignments are in each learner state, the most common first; those without one do not count."""
        counts = Counter(one["learner_state"] for one in documents if one["learner_state"])
        return [{"learner_state": state, "count": count} for state, count in counts.most_common()]

    def document(self, assignment: Assignment) -> Document:
        """One assignment."""
        target = assignment.target
        return {
            "uuid": assignment.uuid,
            "assignment_configuration": assignment.configuration.uuid,
            "learner_email": assignment.email,
            "lms_user_id": assignment.lms_user_id,
            "content_key": target.content_key,
            "parent_content_key": target.course_key if target.run_based else None,
            "is_assigned_course_run": target.run_based,
            "content_title": target.title,
            "content_quantity": -target.cents,
            "state": assignment.state,
            "transaction_uuid": assignment.transaction,
            "actions": [
                {
                    "created": stamp(action.created),
                    "modified": stamp(action.completed or action.created),
                    "uuid": action.uuid,
                    "action_type": action.kind,
                    "completed_at": stamp(action.completed),
                    "error_reason": action.error,
                }
                for action in assignment.actions
            ],
            "earliest_possible_expiration": self._expiration(assignment),
            "recent_action": _recent_action(assignment),
            "learner_state": _learner_state(assignment),
            "error_reason": _error_reason(assignment),
        }

    def _expiration(self, assignment: Assignment) -> Document:
        policy = self.customers.policy_of(assignment.configuration)
        candidates = [
            (policy and policy.subsidy.expiration(self.shelf.catalog.day), "SUBSIDY_EXPIRED"),
            (policy and upstream_instant(self._deadline(assignment, policy)), "ENROLLMENT_DATE_PASSED"),
            (assignment.allocated_at + NINETY_DAYS, "NINETY_DAYS_PASSED"),
        ]
        date, reason = min(((date, reason) for date, reason in candidates if date), key=lambda candidate: candidate[0])
        return {"date": stamp(date), "reason": reason}

    def _deadline(self, assignment: Assignment, policy: Policy) -> str | None:
        """The deadline of the preferred run; of the advertised one where no run is preferred."""
        course = self.shelf.course(policy.catalog, assignment.target.course_key)
        if course is None:
            return None
        preferred = assignment.target.run
        dates = course.normalized_by_run.get(preferred, {}) if preferred else course.normalized
        return dates.get("enroll_by_date")


def upstream_instant(text: str | None) -> datetime | None:
    """An instant in one of the four forms that upstream reads; None for any other text."""
    for form in DATE_FORMS if text else ():
        try:
            return datetime.strptime(str(text).upper(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _recent_action(assignment: Assignment) -> Document:
    """The last reminder that was sent, else the allocation."""
    reminded = [one.completed for one in assignment.actions if one.kind == "reminded" and one.completed]
    if reminded:
        return {"action_type": "reminded", "timestamp": stamp(max(reminded))}
    return {"action_type": "assigned", "timestamp": stamp(assignment.allocated_at)}


def _learner_state(assignment: Assignment) -> str | None:
    notified = [one for one in assignment.actions if one.kind == "notified"]
    if assignment.state == "allocated":
        if any(one.completed for one in notified):
            return "waiting"
        return "failed" if any(one.error for one in notified) else "notifying"
    return {"expired": "expired", "errored": "failed"}.get(assignment.state)


def _error_reason(assignment: Assignment) -> Document | None:
    """The newest action with an error, of an errored or allocated assignment."""
    errors = [one for one in assignment.actions if one.error]
    if assignment.state not in ("errored", "allocated") or not errors:
        return None
    newest = max(errors, key=lambda one: one.created)
    return {"action_type": newest.kind, "error_reason": newest.error}


def _passes(document: Document, name: str, value: str) -> bool:
    values = value.split(",") if name.endswith("__in") else [value]
    return str(document[name.removesuffix("__in")]) in values
