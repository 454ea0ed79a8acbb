"""The code location: gathers assets, checks, jobs, schedules, sensors and resources. No logic, no I/O."""

import dagster as dg

from assets.catalog import go_live, publish_discovery, publish_lms, run_association
from assets.checks import catalog_checks
from assets.feeds import partner_feed
from assets.jobs import JOBS
from assets.landing import discovery_documents, lms_documents
from assets.marts import MARTS, SNAPSHOTS
from assets.upstream import UPSTREAM
from catalog_pipeline.settings import load_settings
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients
from sensors import feed_files, new_runs, nightly, outbox, outside_writes

_settings = load_settings()

defs = dg.Definitions(
    assets=[
        *UPSTREAM,
        discovery_documents,
        lms_documents,
        publish_discovery,
        publish_lms,
        partner_feed,
        go_live,
        run_association,
        *MARTS,
        *SNAPSHOTS,
    ],
    asset_checks=[catalog_checks],
    jobs=JOBS,
    schedules=[nightly.schedule(_settings)],
    sensors=[module.sensor(_settings) for module in (nightly, new_runs, outside_writes, feed_files, outbox)],
    resources={"database": CatalogDatabase(), "upstreams": UpstreamClients()},
    # Steps are few and heavy on the database: a process for each would cost three seconds and save nothing.
    executor=dg.in_process_executor,
)
