"""The job that builds the site of the tables."""

import dagster as dg
from dagster import OpExecutionContext

from assets.failures import failures_say_why
from catalog_pipeline.settings import Settings
from catalog_pipeline.site.pages import build_site as build
from resources.database import CatalogDatabase


@dg.op(out=dg.Out(dg.Nothing))
@failures_say_why()
def build_pages(context: OpExecutionContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]) -> None:
    """Build the site of the tables, with the last results of their checks."""
    first = build(database.engine, settings.site_folder)
    context.add_output_metadata({"first_page": dg.MetadataValue.url(first.as_uri())})


@dg.job(description="Build the site of the tables: columns, lineage, checks and their last results.")
def build_site() -> None:
    build_pages()
