"""Whatever stands in a file of records, each line is told what became of it, and nothing ends an import."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from support.enterprise import Acme, assignment, uuid_of

from catalog_pipeline.assignments.importing import import_assignments
from catalog_pipeline.enterprise.fields import ALLOCATION_EVIDENCE, FIELDS
from catalog_pipeline.enterprise.importing import import_records

ANYTHING: list[Any] = [
    *(None, "", " ", "x", "x" * 300, "\0", "\ud800", "a\nb", 'quo"ted,', "\\N", "{}", "{", "NULL", "ann@example.org"),
    *(0, 1, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 1.5, float("nan"), float("inf"), True, False),
    *(
        "2026-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "2026-02-30T00:00:00Z",
        "0001-02-01T00:00:00Z",
    ),
    *(uuid_of("a"), uuid_of("b"), uuid_of("customer"), uuid_of("configuration"), uuid_of("a").upper(), "assigned"),
    *([], {}, [None], [[]], [uuid_of("a")], ["x"], [{}], [{"uuid": 1}], {"uuid": uuid_of("a")}, {"uuid": []}),
    *("NINETY_DAYS_PASSED", "allocated", "expired", "accepted", "assigned", "direct", "notified", "email_error"),
]


def anything(chance: random.Random, kind: str) -> dict[str, Any]:
    """A record with anything in some of its fields."""
    fields = [*FIELDS[kind], *(ALLOCATION_EVIDENCE if kind == "assignment" else ())]
    record: dict[str, Any] = {"kind": kind, "uuid": uuid_of(str(chance.randrange(6)))}
    if kind == "assignment":
        record = assignment(f"learner{chance.randrange(6)}")
        actions = [
            {field.name.removeprefix("actions."): chance.choice(ANYTHING) for field in FIELDS["action"]}
            for _ in range(chance.randrange(3))
        ]
        record["actions"] = chance.choice([*ANYTHING, *[actions] * 20])
    elif kind != "customer":
        record["enterprise_customer_uuid"] = uuid_of("customer")
    for field in chance.sample(fields, min(len(fields), chance.randrange(4))):
        first, *rest = field.name.split(".")
        value = chance.choice(ANYTHING)
        record[first] = {rest[0]: value} if rest and chance.random() < 0.9 else value
    return record


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_every_line_has_an_outcome_and_the_same_file_again_changes_nothing_more(
    acme: Acme, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = [kind for kind in FIELDS if kind not in ("assignment", "action")]
    records = [anything(chance, chance.choice(kinds)) for _ in range(400)]
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    report = import_records(acme.engine, file, actor="cli:ann")
    assert [row.row for row in report.rows] == list(range(1, 401))
    assert report.counts["created"] + report.counts["updated"] > 5
    again = import_records(acme.engine, file, actor="cli:ann")
    assert [row.row for row in again.rows] == list(range(1, 401))

    file.write_text("\n".join(json.dumps(anything(chance, "assignment")) for _ in range(400)))
    report = import_assignments(acme.engine, file, actor="cli:ann")
    assert [row.row for row in report.rows] == list(range(1, 401))
    assert report.counts["created"] > 0
    for _ in range(6):  # a row that lost to one of its own file may be written the next time
        report = import_assignments(acme.engine, file, actor="cli:ann")
    assert report.counts["created"] == 0
