"""The rule of a course's status, as SQL. It depends only on the course and its runs, never on the time."""

from catalog_pipeline.loading.publication import Publication


def course_status(course: str, published: str) -> str:
    """SQL of a course's status. `course` is the alias of its row, `published` SQL of whether some run is published."""
    return (
        f"CASE WHEN {course}.product_status = 'archived' OR {course}.missing_since IS NOT NULL"
        f" OR {course}.dropped_since IS NOT NULL THEN 'archived'"
        f" WHEN {published} THEN 'published' ELSE 'draft' END"
    )


def settle_course_statuses(publication: Publication) -> None:
    """Set the status of every course whose status differs from the rule."""
    publication.execute(f"""
        UPDATE catalog.catalog_course c SET status = s.status
        FROM (SELECT c.id, {course_status("c", "coalesce(bool_or(r.status = 'published'), false)")} AS status
              FROM catalog.catalog_course c
              LEFT JOIN catalog.run_association a ON a.catalog_course_id = c.id
              LEFT JOIN catalog.course_run r ON r.id = a.course_run_id
              GROUP BY c.id) s
        WHERE s.id = c.id AND c.status <> s.status""")
