"""Publishes which run stands for each partner's variant: one run for each variant, one variant for each run."""

from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.run import CourseVariant
from catalog_pipeline.replication.removals import leaves


def publish_variants(publication: Publication) -> None:
    """Of the runs that name a variant, the one that a feed carries has it, else one whose removal is held back.

    Else the one that starts last has it.
    """
    _stage_claims(publication)
    publication.reject(
        "catalog.course_variant",
        """SELECT document_id, run_key AS record_key, 'variant_id' AS column_name, 'variant_conflict' AS rule,
                  variant_id::text AS value,
                  format('%s goes first, which names this variant too: it has the variant, this run has none.', winner)
                      AS message
           FROM claimed_variant WHERE rank > 1 AND document_id IS NOT NULL""",
    )
    _delete_lost_variants(publication)
    winners = """
        (SELECT c.variant_id, c.course_run_id,
                -- The partner of a variant that a feed carries is the feed's to say.
                CASE WHEN c.carried AND v.id IS NOT NULL THEN v.product_source ELSE c.product_source END
                    AS product_source
         FROM claimed_variant c LEFT JOIN catalog.course_variant v USING (variant_id) WHERE c.rank = 1)"""
    columns = ("variant_id", "course_run_id", "product_source")
    publication.merge(CourseVariant, winners, columns, on="variant_id")


def _stage_claims(publication: Publication) -> None:
    """Make `claimed_variant`: each run of this load that names a variant, and other runs that have one of those.

    `rank` is 1 for the run that gets the variant, and `winner` is its key. `carried` tells whether a current feed
    carries the run.
    """
    publication.execute(f"""
        CREATE TEMP TABLE claimed_variant ON COMMIT DROP AS
        WITH claims AS (
            SELECT r.variant_id, r.id AS course_run_id, r.document_id, r.run_key, r.start, c.product_source
            FROM resolved_course_run r LEFT JOIN staged_catalog_course c ON c.document_id = r.document_id
            WHERE r.variant_id IS NOT NULL
            UNION ALL
            SELECT v.variant_id, v.course_run_id, NULL, r.run_key, r.start, v.product_source
            FROM catalog.course_variant v JOIN catalog.course_run r ON r.id = v.course_run_id
            WHERE NOT EXISTS (SELECT FROM resolved_course_run n WHERE n.id = v.course_run_id)
              AND r.missing_since IS NULL AND NOT {leaves("r", "course_run")}
              AND EXISTS (SELECT FROM staged_course_run s WHERE s.variant_id = v.variant_id))
        SELECT *, row_number() OVER best AS rank, first_value(run_key) OVER best AS winner
        FROM (SELECT *, course_run_id IN (SELECT id FROM carried_run) AS carried,
                     course_run_id IN (SELECT id FROM held WHERE table_name = 'course_run') AS held FROM claims) c
        WINDOW best AS (PARTITION BY variant_id ORDER BY NOT carried, NOT held, start DESC NULLS LAST, run_key)""")


def _delete_lost_variants(publication: Publication) -> None:
    """Delete the variants that this load decides anew and that their run does not get again."""
    deleted = publication.execute(f"""
        DELETE FROM catalog.course_variant v
        WHERE (EXISTS (SELECT FROM resolved_course_run r WHERE r.id = v.course_run_id)
               OR EXISTS (SELECT FROM catalog.course_run r
                          WHERE r.id = v.course_run_id AND {leaves("r", "course_run")})
               OR EXISTS (SELECT FROM claimed_variant c WHERE c.variant_id = v.variant_id))
          AND NOT EXISTS (SELECT FROM claimed_variant c WHERE c.rank = 1 AND c.variant_id = v.variant_id
                          AND c.course_run_id = v.course_run_id)""")
    publication.count("catalog.course_variant", {"deleted": deleted})
