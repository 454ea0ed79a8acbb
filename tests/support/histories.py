"""Random histories of the catalog: rows are made, changed, moved, renamed and deleted on days that go to and fro."""

from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import Connection, text

FIRST = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 9
STATUSES = ("published", "reviewed", "unpublished", "archived")
NEW_RUN = """
    INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, start)
    VALUES ('course-v1:X+' || :n || '+r', 'X', :n, 'r', 'Run', :status, '2026-01-01')"""
ANY = "(SELECT id FROM {} ORDER BY md5(id::text || :n) LIMIT 1)"
RUN, COURSE, ORGANIZATION = (ANY.format(f"catalog.{name}") for name in ("course_run", "catalog_course", "organization"))
STATEMENTS = (
    "INSERT INTO catalog.organization (key, name) VALUES ('O' || :n, 'O')",
    f"""INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
        SELECT {ORGANIZATION}, :n, 'X+' || :n, 'Course' WHERE EXISTS (SELECT FROM catalog.organization)""",
    NEW_RUN,
    NEW_RUN,
    f"""INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
        SELECT {RUN}, {COURSE}, 'manual', 'Test.'
        WHERE EXISTS (SELECT FROM catalog.course_run) AND EXISTS (SELECT FROM catalog.catalog_course)
        ON CONFLICT (course_run_id) DO UPDATE SET catalog_course_id = EXCLUDED.catalog_course_id""",
    f"UPDATE catalog.course_run SET status = :status WHERE id = {RUN}",
    "UPDATE catalog.course_run SET status = :status, title = title || '.' WHERE id % 3 = CAST(:n AS int) % 3",
    f"UPDATE catalog.course_run SET start = start + interval '1 day' WHERE id = {RUN}",
    f"UPDATE catalog.course_run SET start = NULL, \"end\" = '2027-01-01' WHERE id = {RUN}",
    f"""UPDATE catalog.course_run SET start = '2026-02-02', "end" = "end" - interval '2 day' WHERE id = {RUN}""",
    f"UPDATE catalog.course_run SET run_key = 'course-v1:X+' || :n || '+new' WHERE id = {RUN}",
    f"UPDATE catalog.catalog_course SET product_status = 'archived' WHERE id = {COURSE}",
    f"UPDATE catalog.catalog_course SET product_status = NULL WHERE id = {COURSE}",
    f"UPDATE catalog.catalog_course SET organization_id = {ORGANIZATION} WHERE id = {COURSE}",
    f"DELETE FROM catalog.run_association WHERE course_run_id = {RUN}",
    f"DELETE FROM catalog.course_run WHERE id = {RUN}",
    """DELETE FROM catalog.catalog_course c
       WHERE id % 4 = CAST(:n AS int) % 4
         AND NOT EXISTS (SELECT FROM catalog.run_association a WHERE a.catalog_course_id = c.id)""",
    "UPDATE catalog.organization SET key = key || 'x' WHERE id % 3 = CAST(:n AS int) % 3",
)


def live(connection: Connection, random: Random, statements: int = 60, *, first: datetime = FIRST) -> None:
    """Let a random history happen, stamped over the days from the first on.

    Now and then an event is stamped as if its transaction had begun a day or two before, or by a clock that is far
    ahead.
    """
    moment = first
    for _ in range(statements):
        last = connection.execute(text("SELECT coalesce(max(id), 0) FROM ops.change_event")).scalar_one()
        statement = random.choice(STATEMENTS)
        given = {"n": str(random.randrange(10**9)), "status": random.choice(STATUSES)}
        connection.execute(text(statement), {name: given[name] for name in given if f":{name}" in statement})
        moment += timedelta(hours=random.randrange(0, 24 * DAYS * 2 // statements + 1))
        late = random.choice((0, 0, 0, 0, 12, 40))
        at = moment - timedelta(hours=late) if last == 0 or random.random() < 0.95 else datetime(3000, 1, 1, tzinfo=UTC)
        connection.execute(
            text("UPDATE ops.change_event SET at = :at WHERE id > :last"), {"at": at if last else FIRST, "last": last}
        )


def grow(connection: Connection, *, runs: int, events: int, days: int = 400, quiet: int = 0) -> None:
    """Make a catalog with a long history: events on its runs, evenly over the days until `quiet` days ago.

    All but those of the rows' making are written past the triggers, in transactions of about a thousand events.
    """
    statements = (
        "INSERT INTO catalog.organization (key, name) SELECT 'O' || i, 'O' FROM generate_series(1, 20) i",
        """INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
           SELECT o.id, i, o.key || '+' || i, 'Course ' || i FROM generate_series(1, greatest(:runs / 3, 1)) i
           JOIN catalog.organization o ON o.key = 'O' || 1 + i % 20""",
        """INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, start)
           SELECT 'course-v1:O+' || i || '+r', 'O', i, 'r', 'Run', 'published', now()
           FROM generate_series(1, :runs) i""",
        """INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
           SELECT r.id, c.id, 'key', 'Test.' FROM catalog.course_run r
           JOIN catalog.catalog_course c ON c.course_code::int = 1 + r.key_course::int % greatest(:runs / 3, 1)""",
        "UPDATE ops.change_event SET at = now() - interval '1 day' * (:days + :quiet + 1), xid = '3'",
        """INSERT INTO ops.change_event (xid, at, entity, entity_id, key, action, changes, actor)
           SELECT (4 + i / greatest(1000, :events / 600))::text::xid8,
                  now() - interval '1 day' * (:quiet + :days * (1 - i::float / :events)),
                  'course_run', r.id, r.run_key, 'updated',
                  CASE i % 4
                      WHEN 0 THEN jsonb_build_object('status', jsonb_build_array('reviewed', 'published'))
                      WHEN 1 THEN jsonb_build_object('start', jsonb_build_array(now() - interval '9 days', now()))
                      ELSE jsonb_build_object('title', jsonb_build_array('Run ' || i - 1, 'Run ' || i),
                                              'price', jsonb_build_array(i - 1, i)) END,
                  'load:' || i / 1000
           FROM generate_series(1, CAST(:events AS int)) i
           JOIN catalog.course_run r ON r.key_course = (1 + i % :runs)::text
           ORDER BY i""",
    )
    given = {"runs": runs, "events": events, "days": days, "quiet": quiet}
    for statement in statements:
        connection.execute(text(statement), {name: given[name] for name in given if f":{name}" in statement})
