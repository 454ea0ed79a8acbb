"""The part of the sample's enterprise records that no service serves: two files of JSON lines, to be imported.

`enterprise.jsonl` has customers with their slug and address, learners, and what belongs to the customers whose
assignments are not served. `assignments.jsonl` has those assignments. The same size and seed give the same bytes.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import orjson

from catalog_pipeline.sample.assignment_documents import AssignmentDocuments
from catalog_pipeline.sample.assignments import STATES, Assignment, stamp
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.enterprise_records import Enterprise, build_enterprise
from catalog_pipeline.sample.enterprise_shelf import EnterpriseShelf
from catalog_pipeline.sample.payloads import Document
from catalog_pipeline.sample.records import EPOCH

ENTERPRISE, ASSIGNMENTS = "enterprise.jsonl", "assignments.jsonl"
DERIVED = ("recent_action", "learner_state", "error_reason", "earliest_possible_expiration")
"""What enterprise-access derives at each read."""


def write_enterprise_files(folder: Path, courses: int, seed: int) -> list[Path]:
    """Write both files, for a catalog of that size and seed, as of its day 0.

    A file that is there already stays as it is. Returns the paths of the others.
    """
    enterprise = build_enterprise(courses, seed)
    shelf = EnterpriseShelf(build_catalog(courses, seed), enterprise.watched)
    written = []
    for name, rows in (
        (ENTERPRISE, enterprise_rows(enterprise, seed)),
        (ASSIGNMENTS, assignment_rows(enterprise, shelf)),
    ):
        path = folder / name
        if path.exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{name}.part")
        unfinished.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        os.utime(unfinished, (EPOCH.timestamp(), EPOCH.timestamp()))
        unfinished.rename(path)
        written.append(path)
    return written


def enterprise_rows(enterprise: Enterprise, seed: int) -> list[Document]:
    """The rows of `enterprise.jsonl`: a `kind`, and the fields that a service would send. Kinds come in any order."""
    rows = list(_rows(enterprise))
    Random(f"{seed}/enterprise file").shuffle(rows)
    return rows


def _rows(enterprise: Enterprise) -> Iterator[Document]:
    """Every customer and known learner; of the rest only what no service lists."""
    records = enterprise.customers
    yield from ({"kind": "customer"} | one.document() for one in records.customers)
    yield from ({"kind": "learner"} | one.document() for one in records.learners if one.lms_user_id is not None)
    for catalog in records.catalogs:
        if not catalog.listed:
            yield {"kind": "catalog"} | catalog.document()
    for subsidy in records.subsidies:
        if not subsidy.served:
            yield {"kind": "subsidy"} | subsidy.document(0, EPOCH)
    for policy in records.policies:
        if not policy.customer.served:
            yield {"kind": "policy"} | policy.document(enterprise.redeemed(policy))
    for configuration in records.configurations:
        if not configuration.customer.served:
            yield {"kind": "configuration"} | configuration.document()


def assignment_rows(enterprise: Enterprise, shelf: EnterpriseShelf) -> Iterable[Document]:
    """The rows of `assignments.jsonl`: what an admin is sent, and the model's own fields.

    When it was allocated is left out of some rows, and of the last customer's rows all that tells it: these count
    as allocated at their import, and so are live for ninety days from then.
    """
    documents = AssignmentDocuments(enterprise.customers, shelf)
    last = enterprise.customers.customers[-1]
    for configuration in enterprise.customers.configurations:
        if configuration.customer.served:
            continue
        for number, assignment in enumerate(enterprise.assignments_of(configuration)):
            row = documents.document(assignment) | _own_fields(assignment)
            if configuration.customer is last and assignment.state == "allocated":
                row = {name: value for name, value in row.items() if name not in (*DERIVED, "actions", "allocated_at")}
            elif number % 5 == 1:
                del row["allocated_at"]
            yield row


def _own_fields(assignment: Assignment) -> Document:
    return {
        "preferred_course_run_key": assignment.target.run,
        **{f"{state}_at": stamp(assignment.moments.get(state)) for state in STATES},
        "allocation_batch_id": assignment.batch,
        "admin_lms_user_id": assignment.admin,
        "credit_request_uuid": assignment.credit_request,
        "created": stamp(assignment.allocated_at),
        "modified": stamp(assignment.modified),
    }
