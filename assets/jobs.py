"""The jobs: what a person or the night starts as one piece. An asset job has one partitioning."""

import dagster as dg
from dagster import AssetSelection

from assets.catalog import go_live, publish_discovery, publish_lms, run_association
from assets.checks import catalog_checks
from assets.feeds import ingest_feeds, partner_feed
from assets.landing import discovery_documents, lms_documents
from assets.mail import send_mail
from assets.marts import MARTS, SNAPSHOTS

refresh_discovery = dg.define_asset_job(
    "refresh_discovery",
    AssetSelection.assets(discovery_documents, publish_discovery),
    description="Crawl course-discovery and publish what changed.",
)
refresh_lms = dg.define_asset_job(
    "refresh_lms",
    AssetSelection.assets(lms_documents, publish_lms),
    description="Crawl the LMS's course list and publish what discovery does not list.",
)
ingest_feed = dg.define_asset_job(
    "ingest_feed", AssetSelection.assets(partner_feed), description="Ingest one partner feed that has arrived."
)
publish_due_runs = dg.define_asset_job(
    "publish_due_runs",
    AssetSelection.assets(go_live),
    description="Publish reviewed runs whose day has come, where no discovery says their status.",
)
associate_runs = dg.define_asset_job(
    "associate_runs",
    AssetSelection.assets(run_association) | AssetSelection.checks(catalog_checks),
    description="Give every run without a course the one that its key tells, and check the catalog.",
)
build_marts = dg.define_asset_job(
    "build_marts", AssetSelection.assets(*MARTS), description="Build the SQL models and run their tests."
)

snapshot_catalog = dg.define_asset_job(
    "snapshot_catalog",
    AssetSelection.assets(*SNAPSHOTS),
    description="Count the catalog as it was at the end of days; any past day can be built at any time.",
)

ASSOCIATING = run_association.node_def.name
"""The step of `associate_runs` that takes a range of events."""

JOBS = [
    *(refresh_discovery, refresh_lms, ingest_feed, ingest_feeds, publish_due_runs),
    *(associate_runs, build_marts, snapshot_catalog, send_mail),
]
