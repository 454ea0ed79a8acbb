"""Links keys of organizations to user names: two learners who turn out to be one are merged, a wrong link is moved.

All at once: the links that have nothing to do with one another are decided and written by the same statements.
"""

from sqlalchemy import Connection

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.learners.moves import create_move_tables, move
from catalog_pipeline.learners.retirement import stage_retired
from catalog_pipeline.loading.publication import Publication

STAGING = {"row": "bigint", "organization_id": "bigint", "external_key": "text", "user_name": "text"}
"""The columns of `link_row`."""
OUTCOMES = ("linked", "merged", "transferred", "unchanged", "rejected")

TABLES = (
    # Of lines that say the same, the first is decided; `same` has its row for each of them.
    f"""
    CREATE TEMP TABLE link_same ON COMMIT DROP AS
    SELECT row, organization_id, external_key, user_name,
           {folded("external_key")} AS key, {folded("user_name")} AS name,
           min(row) OVER (PARTITION BY organization_id, {folded("external_key")}, {folded("user_name")}) AS same
    FROM link_row""",
    """
    CREATE TEMP TABLE link_open ON COMMIT DROP AS
    SELECT row, organization_id, external_key, user_name, key, name FROM link_same WHERE row = same""",
    """
    CREATE TEMP TABLE link_decided (
        row bigint, outcome text, reason text, learner_id bigint, merged_from bigint) ON COMMIT DROP""",
)

FIND = f"""
    CREATE TEMP TABLE link_found ON COMMIT DROP AS
    SELECT o.*, k.id AS key_id, k.learner_id AS holder, h.user_name AS holder_name, u.id AS named,
           coalesce(h.retired_at, u.retired_at) AS retired_at
    FROM link_open o
    LEFT JOIN catalog.learner_key k ON k.organization_id = o.organization_id AND {folded("k.external_key")} = o.key
    LEFT JOIN catalog.learner h ON h.id = k.learner_id
    LEFT JOIN catalog.learner u ON {folded("u.user_name")} = o.name"""
"""For each open link: who has the key (holder, key_id), and who the name (named); null where nobody does."""

REFUSE_AT_ONCE = """
    INSERT INTO link_decided (row, outcome, reason)
    SELECT row, 'rejected', reason FROM (
        SELECT f.row, CASE
            WHEN f.organization_id IS NULL THEN 'unknown_organization'
            WHEN f.retired_at IS NOT NULL
              OR EXISTS (SELECT FROM retired_text r WHERE r.organization_id = f.organization_id AND r.folded = f.key)
              OR EXISTS (SELECT FROM retired_text r WHERE r.organization_id IS NULL AND r.folded = f.name)
            THEN 'retired'
            WHEN f.key_id IS NULL AND NOT :create THEN 'unknown_key'
            WHEN count(*) OVER (PARTITION BY f.organization_id, f.key) > 1 THEN 'repeated' END AS reason
        FROM link_found f) AS judged
    WHERE reason IS NOT NULL"""

READY = f"""
    CREATE TEMP TABLE link_ready ON COMMIT DROP AS
    WITH wanted AS (
        SELECT f.*, CASE
            WHEN {folded("holder_name")} = name THEN 'unchanged'
            WHEN key_id IS NULL THEN 'created'
            WHEN holder_name IS NOT NULL THEN 'transferred'
            WHEN named IS NOT NULL THEN 'merged'
            ELSE 'linked' END AS kind
        FROM link_found f
    ), touched AS (
        -- A link that changes nothing waits for nobody, nor does a new key of a learner who is there.
        SELECT row, kind, who FROM wanted,
               unnest(ARRAY['name ' || name, 'id ' || named, 'id ' || holder]) AS who
        WHERE who IS NOT NULL AND kind <> 'unchanged' AND NOT (kind = 'created' AND named IS NOT NULL)
    ), first AS (
        SELECT DISTINCT ON (who) who, row, kind FROM touched ORDER BY who, row
    ), waiting AS (
        SELECT t.row FROM touched t JOIN first f USING (who)
        WHERE f.row < t.row AND NOT (t.kind = 'created' AND f.kind = 'created')
    )
    SELECT w.* FROM wanted w WHERE NOT EXISTS (SELECT FROM waiting x WHERE x.row = w.row)"""
"""The open links that wait for no earlier one: no two of them, new keys apart, touch the same learner."""

COMING = """
    CREATE TEMP TABLE link_coming ON COMMIT DROP AS
    SELECT r.row, e.id AS program_enrollment_id, r.named AS to_learner
    FROM link_ready r JOIN catalog.program_enrollment e ON e.learner_id = r.holder
    WHERE r.kind = 'merged' OR r.kind = 'transferred' AND e.learner_key_id = r.key_id"""
"""The program enrollments that a link brings to another learner."""

HAS_TWO_KEYS = """
    EXISTS (
        SELECT FROM link_coming c
        JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
        JOIN catalog.program_enrollment there USING (program_id, curriculum_uuid)
        WHERE c.row = r.row AND there.learner_id = r.named)"""
BOTH_HOLD = """
    EXISTS (
        SELECT FROM link_coming c
        JOIN catalog.program_course_enrollment x ON x.program_enrollment_id = c.program_enrollment_id
        JOIN catalog.course_enrollment s ON s.id = x.course_enrollment_id
        JOIN catalog.course_enrollment t ON t.course_run_id = s.course_run_id AND t.learner_id = r.named
        JOIN catalog.program_course_enrollment y ON y.course_enrollment_id = t.id
        WHERE c.row = r.row AND x.status = 'active' AND y.status = 'active')"""
REFUSE = f"""
    INSERT INTO link_decided (row, outcome, reason)
    SELECT row, 'rejected', reason FROM (
        SELECT r.row, CASE WHEN {HAS_TWO_KEYS} THEN 'two_keys_in_program'
                           WHEN :strict AND {BOTH_HOLD} THEN 'conflict' END AS reason
        FROM link_ready r) AS judged
    WHERE reason IS NOT NULL"""

FORGET_REFUSED = (
    "DELETE FROM link_coming c USING link_decided d WHERE d.row = c.row",
    "DELETE FROM link_ready r USING link_decided d WHERE d.row = r.row",
)

NEW_LEARNERS = """
    INSERT INTO catalog.learner (user_name)
    SELECT DISTINCT ON (name) user_name FROM link_ready
    WHERE named IS NULL AND kind IN ('created', 'transferred') ORDER BY name, row"""
NAME_THEM = f"""
    UPDATE link_ready r SET named = u.id FROM catalog.learner u
    WHERE r.named IS NULL AND r.kind IN ('created', 'transferred') AND {folded("u.user_name")} = r.name"""
GIVE_NAMES = """
    UPDATE catalog.learner l SET user_name = r.user_name FROM link_ready r
    WHERE r.kind = 'linked' AND l.id = r.holder"""
NEW_KEYS = """
    INSERT INTO catalog.learner_key (learner_id, organization_id, external_key)
    SELECT named, organization_id, external_key FROM link_ready WHERE kind = 'created'"""
MOVED = """
    UPDATE link_coming c SET to_learner = r.named FROM link_ready r WHERE r.row = c.row"""
DECIDE = """
    INSERT INTO link_decided (row, outcome, learner_id, merged_from)
    SELECT row, CASE kind WHEN 'created' THEN 'linked' ELSE kind END,
           CASE WHEN kind IN ('linked', 'unchanged') THEN holder ELSE named END,
           CASE kind WHEN 'merged' THEN holder END
    FROM link_ready"""
CLOSE = "DELETE FROM link_open o USING link_decided d WHERE d.row = o.row"
OUTCOME = """
    CREATE TEMP TABLE link_outcome ON COMMIT DROP AS
    SELECT s.row, CASE WHEN d.row <> s.row AND d.outcome <> 'rejected' THEN 'unchanged' ELSE d.outcome END AS outcome,
           d.reason, d.learner_id, CASE WHEN d.row = s.row THEN d.merged_from END AS merged_from
    FROM link_same s JOIN link_decided d ON d.row = s.same"""


def link(publication: Publication, secret: bytes, *, create: bool = False, strict: bool = False) -> None:
    """Link the keys of the table `link_row` to its user names, as if line by line: each whole, or not at all.

    `link_row` (see `STAGING`) is the caller's, temporary, and dropped at the end of the transaction. Its texts are
    valid and without white space around them; organization_id is null where there is no such organization. With
    `create` a key that nobody has is noted; with `strict` no two learners become one who both hold a run.

    Makes the temporary tables `link_outcome` (row, outcome: one of `OUTCOMES`, reason of what was rejected, learner_id
    of the user, merged_from) and `link_deactivated` (row, program_course_enrollment_id, kept_program_id: the rows that
    became inactive because another one of the learner holds the run). They may stand from an earlier call.
    """
    connection = publication.connection
    for table in ("link_same", "link_open", "link_decided", "link_outcome"):
        publication.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in TABLES:
        publication.execute(statement)
    create_move_tables(connection)
    _stage_retired(connection, secret)
    analyze(connection, "link_open", "link_same")
    _find(publication)
    publication.execute(REFUSE_AT_ONCE, create=create)
    publication.execute(CLOSE)
    while publication.scalar("SELECT EXISTS (SELECT FROM link_open)"):
        _link_ready(publication, strict=strict)
    publication.execute(OUTCOME)


def _stage_retired(connection: Connection, secret: bytes) -> None:
    stage_retired(
        connection,
        secret,
        "SELECT organization_id, key AS folded FROM link_open UNION SELECT NULL, name FROM link_open",
    )


def _find(publication: Publication) -> None:
    publication.execute("DROP TABLE IF EXISTS link_found")
    publication.execute(FIND)


def _link_ready(publication: Publication, *, strict: bool) -> None:
    """Decide and write the open links that wait for no other."""
    _find(publication)
    for table in ("link_ready", "link_coming"):
        publication.execute(f"DROP TABLE IF EXISTS {table}")
    publication.execute(READY)
    publication.execute(COMING)
    publication.execute(REFUSE, strict=strict)
    for statement in FORGET_REFUSED:
        publication.execute(statement)
    publication.count("catalog.learner", {"created": publication.execute(NEW_LEARNERS)})
    publication.execute(NAME_THEM)
    publication.count("catalog.learner", {"updated": publication.execute(GIVE_NAMES)})
    publication.count("catalog.learner_key", {"created": publication.execute(NEW_KEYS)})
    publication.execute(MOVED)
    move(publication)
    publication.execute(DECIDE)
    publication.execute(CLOSE)
