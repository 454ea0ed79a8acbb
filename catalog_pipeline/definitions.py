"""The code location: gathers assets, checks, jobs, schedules, sensors and resources. No logic, and no I/O."""

from typing import Any

import dagster as dg

from assets.assignments import assignment_expiration, expiration_checks, expired_assignments
from assets.catalog import go_live, publish_discovery, publish_lms, run_association
from assets.checks import catalog_checks
from assets.enrollments import replicate_enrollments
from assets.enterprise import replicate_catalogs, replicate_records
from assets.feeds import partner_feed
from assets.jobs import JOBS
from assets.landing import discovery_documents, lms_documents
from assets.marts import MARTS, snapshots
from assets.upstream import UPSTREAM
from catalog_pipeline.settings import Settings, load_settings
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients
from sensors.enterprise_catalogs import enterprise_catalogs
from sensors.expirations import expirations
from sensors.feed_files import feed_files
from sensors.new_runs import new_runs
from sensors.nightly import night, nightly_schedule
from sensors.outbox import outbox
from sensors.outside_writes import outside_writes
from sensors.starting import running

SENSORS = [night, new_runs, expirations, outside_writes, feed_files, enterprise_catalogs, outbox]


def build_defs(settings: Settings, **resources: Any) -> dg.Definitions:
    """The code location by these settings. A resource given by its name takes the place of the usual one.

    Schedules and sensors run from the start where `settings.automation` is on, and are stopped elsewhere.
    """
    return dg.Definitions(
        assets=[
            *UPSTREAM,
            discovery_documents,
            lms_documents,
            publish_discovery,
            publish_lms,
            replicate_enrollments,
            replicate_records,
            replicate_catalogs,
            partner_feed,
            go_live,
            run_association,
            assignment_expiration,
            expired_assignments,
            *MARTS,
            *snapshots(settings.history_start),
        ],
        asset_checks=[catalog_checks, expiration_checks],
        jobs=JOBS,
        schedules=[nightly_schedule(settings)],
        sensors=[running(sensor) for sensor in SENSORS] if settings.automation else SENSORS,
        resources={
            "settings": settings,
            "database": CatalogDatabase(settings=settings),
            "upstreams": UpstreamClients(settings=settings),
            **resources,
        },
        # Steps are few and heavy on the database: a process for each would cost three seconds and save nothing.
        executor=dg.in_process_executor,
    )


defs = build_defs(load_settings())
