"""Which upstream each service is read from: its address, told so far by the last complete crawl."""

from alembic import op

revision = "0007_upstreams"
down_revision = "0006_course_status"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE landing.upstream (
        service text PRIMARY KEY,
        address text NOT NULL,
        since timestamptz NOT NULL,
        by text NOT NULL,
        off_since timestamptz)""",
    """COMMENT ON TABLE landing.upstream IS
       'One row per service that was read. What is at another address is not read into this database.'""",
    "COMMENT ON COLUMN landing.upstream.service IS 'The service: discovery, lms.'",
    """COMMENT ON COLUMN landing.upstream.address IS
       'Its host, port and path, without the scheme; sample is the bundled sample.'""",
    """COMMENT ON COLUMN landing.upstream.since IS
       'Since when it is read at this address; watermarks of earlier crawls do not count.'""",
    "COMMENT ON COLUMN landing.upstream.by IS 'Who first read it there.'",
    """COMMENT ON COLUMN landing.upstream.off_since IS
       'Since when no setting names it and it owns nothing; null while it is configured.'""",
    r"""INSERT INTO landing.upstream (service, address, since, by)
        SELECT source, CASE WHEN host = '127.0.0.1' THEN 'sample' ELSE host || port || path END, since,
               'migration:0007_upstreams'
        FROM (
            SELECT source, since, lower(parts[2] COLLATE pg_c_utf8) AS host, rtrim(parts[4], '/') AS path,
                   CASE WHEN (parts[1], parts[3]) IN (('http', ':80'), ('https', ':443')) THEN ''
                        ELSE coalesce(parts[3], '') END AS port
            FROM (
                SELECT DISTINCT ON (source) source, min(started_at) OVER (PARTITION BY source) AS since,
                       regexp_match(regexp_replace(url, '/api/(v1/\w+|courses/v1/courses)/$', ''),
                                    '^(https?)://(\[[^]]*\]|[^/:]*)(:\d+)?(.*)$') AS parts
                FROM landing.crawl WHERE outcome = 'complete' ORDER BY source, id DESC) crawl
            WHERE parts IS NOT NULL) address""",
)
"""The bundled sample, and nothing that is served to others, is read from 127.0.0.1 and at a port that changes."""


def upgrade() -> None:
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
