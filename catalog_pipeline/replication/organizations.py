"""Publishes organizations: those that upstream lists, those that it only mentions, and those that keys name."""

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.fields import LISTED
from catalog_pipeline.models.organization import Organization
from catalog_pipeline.replication.identity import ORGANIZATION, resolve


def publish_organizations(publication: Publication) -> None:
    """Merge `staged_organization`, then make the organizations that the staged courses still lack."""
    resolve(publication, ORGANIZATION)
    # An organization that a course only mentions is made where it is missing, and otherwise left as it is.
    publication.execute("DELETE FROM resolved_organization WHERE NOT listed AND found_id IS NOT NULL")
    publication.execute("""
        UPDATE resolved_organization SET name = coalesce(name, key),
               listed_by_id = CASE WHEN listed THEN document_id END""")
    publication.merge(Organization, "resolved_organization", ("key", "name", "uuid", *LISTED))
    # Where the catalog knows neither the owner of a course nor the organization in its key, it makes the latter.
    made = publication.execute(f"""
        INSERT INTO catalog.organization (key, name)
        SELECT DISTINCT ON ({folded("c.key_org")}) c.key_org, c.key_org FROM staged_catalog_course c
        WHERE NOT EXISTS (
            SELECT FROM catalog.organization o WHERE o.uuid = c.first_owner_uuid
               OR {folded("o.key")} IN ({folded("c.key_org")}, {folded("c.first_owner")}))
        ORDER BY {folded("c.key_org")}, c.key_org""")
    publication.count("catalog.organization", {"created": made})
