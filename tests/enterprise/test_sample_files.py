"""The sample's files of enterprise records and assignments are taken in whole, and again without a change."""

from pathlib import Path

from sqlalchemy import Engine
from support.enterprise import versions_of

from catalog_pipeline.assignments.importing import import_assignments
from catalog_pipeline.enterprise.importing import import_records
from catalog_pipeline.sample.enterprise_files import write_enterprise_files


def test_the_samples_files_are_imported_and_the_same_again_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    records, assignments = write_enterprise_files(tmp_path, 100, 1)
    first = import_records(engine, records, actor="cli:ann")
    assert first.counts["rejected"] == 0, [row for row in first.rows if row.errors][:3]
    assigned = import_assignments(engine, assignments, actor="cli:ann")
    wrong = [row for row in assigned.rows if row.errors]
    assert not wrong, wrong[:3]
    before = versions_of(engine)
    again = import_records(engine, records, actor="cli:ann")
    assert again.counts == {**first.counts, "created": 0, "updated": 0, "unchanged": first.counts["rows"]}
    once_more = import_assignments(engine, assignments, actor="cli:ann")
    assert once_more.counts["unchanged"] == assigned.counts["rows"]
    assert versions_of(engine) == before
