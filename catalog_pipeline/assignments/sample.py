"""The part of the bundled sample that no service serves: customers, learners and assignments, imported once."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from catalog_pipeline.assignments.importing import import_assignments
from catalog_pipeline.database.engine import connected
from catalog_pipeline.enterprise.importing import import_records
from catalog_pipeline.folders import make_private
from catalog_pipeline.loading.upstream import recorded
from catalog_pipeline.sample.enterprise_files import write_enterprise_files
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import SAMPLE_ADDRESS

ACTOR = "load:sample"


def import_sample(engine: Engine, settings: Settings, as_of: datetime) -> None:
    """Import the sample's customers and assignments, where the sample is used and they are not there yet.

    Nothing is imported into a database that was filled from another upstream.
    """
    with connected(engine) as connection:
        if not settings.uses_sample or not _is_wanted(connection):
            return
    folder = settings.folder / "enterprise"
    make_private(folder)
    write_enterprise_files(folder, settings.sample_courses, settings.sample_seed)
    import_records(engine, folder / "enterprise.jsonl", actor=ACTOR, as_of=as_of)
    import_assignments(engine, folder / "assignments.jsonl", actor=ACTOR, as_of=as_of)


def _is_wanted(connection: Connection) -> bool:
    if any(row["address"] != SAMPLE_ADDRESS for row in recorded(connection).values()):
        return False
    return connection.exec_driver_sql(
        "SELECT NOT EXISTS (SELECT FROM catalog.assignment_configuration WHERE owner = 'here')"
    ).scalar_one()
