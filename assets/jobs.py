"""The jobs: what a person or the night starts as one piece. An asset job has one partitioning.

An asset is in the job that selects its group: a new asset needs no change here.
"""

import dagster as dg
from dagster import AssetSelection

from assets import groups
from assets.assignments import assignment_expiration, expiration_checks
from assets.catalog import publish_discovery, publish_lms, run_association
from assets.checks import catalog_checks
from assets.enrollments import replicate_enrollments
from assets.enterprise import refresh_enterprise_job, refresh_enterprise_services
from assets.feeds import ingest_feeds
from assets.learners import clear_pii, expire_enrollments, nudge_assignments
from assets.mail import send_mail
from assets.retention import remove_old
from assets.site import build_site

refresh_discovery = dg.define_asset_job(
    "refresh_discovery",
    AssetSelection.groups(groups.DISCOVERY),
    description="Crawl course-discovery and publish what changed.",
)
refresh_lms = dg.define_asset_job(
    "refresh_lms",
    AssetSelection.groups(groups.LMS),
    description="Crawl the LMS's course list and publish what discovery does not list.",
)
refresh_enrollments = dg.define_asset_job(
    "refresh_enrollments",
    AssetSelection.groups(groups.ENROLLMENTS),
    description="Read the LMS's enrollments in programs and in their runs.",
)
replicate_records = dg.define_asset_job(
    "replicate_enterprise_records",
    AssetSelection.groups(groups.ENTERPRISE),
    description="Read what the enterprise services list, their content apart.",
)
replicate_content = dg.define_asset_job(
    "replicate_content",
    AssetSelection.groups(groups.CONTENT),
    description="Read the content of some enterprise catalogs again, a partition each.",
)
ingest_feed = dg.define_asset_job(
    "ingest_feed", AssetSelection.groups(groups.FEEDS), description="Ingest one partner feed that has arrived."
)
publish_due_runs = dg.define_asset_job(
    "publish_due_runs",
    AssetSelection.groups(groups.GO_LIVE),
    description="Publish reviewed runs whose day has come, where no discovery says their status.",
)
associate_runs = dg.define_asset_job(
    "associate_runs",
    AssetSelection.groups(groups.ASSOCIATIONS) | AssetSelection.checks(catalog_checks),
    description="Decide the course of every run again, and check the catalog.",
)
rebuild_expirations = dg.define_asset_job(
    "rebuild_expirations",
    AssetSelection.groups(groups.EXPIRATIONS) | AssetSelection.checks(expiration_checks),
    description="Decide anew when every assignment expires, and check that nothing is left behind.",
)
expire_assignments = dg.define_asset_job(
    "expire_assignments",
    AssetSelection.groups(groups.EXPIRING),
    description="Expire the allocated assignments whose date has come, and tell their learners.",
)
build_marts = dg.define_asset_job(
    "build_marts", AssetSelection.groups(groups.MARTS), description="Build the SQL models and run their tests."
)
snapshot_catalog = dg.define_asset_job(
    "snapshot_catalog",
    AssetSelection.groups(groups.SNAPSHOTS),
    description="Count the catalog as it was at the end of days; any past day can be built at any time.",
)

JOBS = [
    refresh_discovery,
    refresh_lms,
    refresh_enrollments,
    refresh_enterprise_job,
    replicate_records,
    replicate_content,
    ingest_feed,
    ingest_feeds,
    publish_due_runs,
    associate_runs,
    rebuild_expirations,
    expire_assignments,
    nudge_assignments,
    clear_pii,
    expire_enrollments,
    build_marts,
    snapshot_catalog,
    remove_old,
    build_site,
    send_mail,
]

ASSOCIATING_OP = run_association.node_def.name
"""The op of `associate_runs` that takes an AssociateConfig."""
REBUILDING_OP = assignment_expiration.node_def.name
"""The op of `rebuild_expirations` that takes a RebuildConfig."""
PUBLISH_DISCOVERY_OP = publish_discovery.node_def.name
PUBLISH_LMS_OP = publish_lms.node_def.name
REFRESH_ENROLLMENTS_OP = replicate_enrollments.node_def.name
REFRESH_ENTERPRISE_OP = refresh_enterprise_services.name
"""The ops of `refresh_discovery`, `_lms`, `_enrollments` and `_enterprise` that take a PublishConfig."""
