"""Publishes organizations: those that upstream lists, those that its courses only mention, and those that keys name.

One that is listed goes before one that is only mentioned, whichever came first: a course may call its owner by an old
name, which is another organization's by now.
"""

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.fields import LISTED
from catalog_pipeline.models.organization import Organization
from catalog_pipeline.replication.identity import ORGANIZATION, park_keys, resolve

COURSES_TO_DECIDE_AGAIN = f"""
    WITH changed AS (
        SELECT o.id FROM catalog.organization o LEFT JOIN organization_before b ON b.id = o.id
        WHERE (o.key, o.uuid) IS DISTINCT FROM (b.key, b.uuid))
    SELECT c.listed_by_id FROM catalog.catalog_course c JOIN catalog.organization o ON o.id = c.organization_id
    WHERE EXISTS (SELECT FROM changed)
      AND (o.id IN (SELECT id FROM changed) OR {folded("split_part(c.key, '+', 1)")} <> {folded("o.key")})
      AND c.missing_since IS NULL AND c.listed_by_id NOT IN (SELECT id FROM pending)"""
"""SQL of the settled documents whose courses may belong to another organization, now that this load changed some.

Those are the courses of a changed organization, and those whose organization is not the one that their key names.
"""


def publish_organizations(publication: Publication) -> None:
    """Merge the listed rows of `staged_organization`, then make what courses mention and the catalog lacks.

    Makes `organization_before`: id, key and uuid of the organizations before the load.
    """
    publication.execute(
        "CREATE TEMP TABLE organization_before ON COMMIT DROP AS SELECT id, key, uuid FROM catalog.organization"
    )
    _give_way_to_listed(publication)
    resolve(publication, ORGANIZATION)
    park_keys(publication, ORGANIZATION)
    publication.execute("UPDATE resolved_organization SET name = coalesce(name, key)")
    publication.merge(Organization, "resolved_organization", ("key", "name", "uuid", *LISTED))
    _make_mentioned(publication)


def make_organizations_of_courses(publication: Publication) -> None:
    """Make the organizations that the staged courses still lack.

    Where the catalog knows neither the owner of a course nor the organization in its key, it makes the latter.
    """
    _make_mentioned(publication)
    made = publication.execute(f"""
        INSERT INTO catalog.organization (key, name)
        SELECT DISTINCT ON ({folded("c.key_org")}) c.key_org, c.key_org FROM staged_catalog_course c
        WHERE NOT EXISTS (
            SELECT FROM catalog.organization o WHERE o.uuid = c.first_owner_uuid
               OR {folded("o.key")} IN ({folded("c.key_org")}, {folded("c.first_owner")}))
        ORDER BY {folded("c.key_org")}, c.key_org""")
    publication.count("catalog.organization", {"created": made})


def _give_way_to_listed(publication: Publication) -> None:
    """Remove organizations that upstream does not list, where it lists a known one under their key now.

    Their courses, programs and keys of learners go to that one. Where it has a course of the same code already, or
    the same key of a learner, both organizations stay.
    """
    publication.execute(f"""
        CREATE TEMP TABLE giving_way ON COMMIT DROP AS
        SELECT t.id, min(u.id) AS to_id
        FROM staged_organization s JOIN catalog.organization u ON u.uuid = s.uuid
        JOIN catalog.organization t ON {folded("t.key")} = s.folded AND t.id <> u.id
        WHERE s.listed AND (t.listed_by_id IS NULL OR t.missing_since IS NOT NULL)
          AND NOT EXISTS (SELECT FROM staged_organization l WHERE l.listed AND l.uuid = t.uuid)
          AND NOT EXISTS (SELECT FROM catalog.catalog_course c JOIN catalog.catalog_course d
                            ON {folded("d.course_code")} = {folded("c.course_code")}
                          WHERE c.organization_id = t.id AND d.organization_id = u.id)
          AND NOT EXISTS (SELECT FROM catalog.learner_key k JOIN catalog.learner_key m
                            ON {folded("m.external_key")} = {folded("k.external_key")}
                          WHERE k.organization_id = t.id AND m.organization_id = u.id)
        GROUP BY t.id""")
    publication.execute("""
        DELETE FROM catalog.program_organization p USING giving_way g, catalog.program_organization o
        WHERE p.organization_id = g.id AND (o.program_id, o.organization_id) = (p.program_id, g.to_id)""")
    for table in ("program_organization", "learner_key"):
        moved = publication.execute(
            f"UPDATE catalog.{table} t SET organization_id = g.to_id FROM giving_way g WHERE t.organization_id = g.id"
        )
        publication.count(f"catalog.{table}", {"updated": moved})
    moved = publication.execute("""
        UPDATE catalog.catalog_course c SET organization_id = g.to_id
        FROM giving_way g WHERE c.organization_id = g.id""")
    removed = publication.execute("DELETE FROM catalog.organization o USING giving_way g WHERE o.id = g.id")
    publication.count("catalog.catalog_course", {"updated": moved})
    publication.count("catalog.organization", {"deleted": removed})


def _make_mentioned(publication: Publication) -> None:
    """Make the organizations that courses mention, where neither their uuid nor their key is known.

    One that was made of a key gets the uuid and the name that a course mentions. All others are left as they are.
    """
    completed = publication.execute(f"""
        UPDATE catalog.organization o
        SET uuid = m.uuid, name = CASE WHEN o.name = o.key THEN coalesce(m.name, o.name) ELSE o.name END
        FROM ({_mentioned("o.uuid = s.uuid")}) m
        WHERE {folded("o.key")} = m.folded AND m.uuid IS NOT NULL AND o.uuid IS NULL AND o.listed_by_id IS NULL""")
    unknown = _mentioned(f"o.uuid = s.uuid OR {folded('o.key')} = s.folded")
    made = publication.execute(f"""
        INSERT INTO catalog.organization (key, name, uuid)
        SELECT key, coalesce(name, key), uuid FROM ({unknown}) m""")
    publication.count("catalog.organization", {"updated": completed, "created": made})


def _mentioned(known: str) -> str:
    """SQL of the mentioned organizations, each uuid and each key once, without those that are `known`, SQL over o."""
    return f"""
        SELECT DISTINCT ON (folded) * FROM (
            SELECT DISTINCT ON (coalesce(s.uuid::text, s.folded)) s.key, s.name, s.uuid, s.folded
            FROM staged_organization s
            WHERE NOT s.listed AND NOT EXISTS (SELECT FROM catalog.organization o WHERE {known})
            ORDER BY coalesce(s.uuid::text, s.folded), s.key COLLATE "C", s.name COLLATE "C") once
        ORDER BY folded, uuid NULLS LAST, key COLLATE "C"
        """
