"""Decides and writes staged assignments with their actions, whether a file or enterprise-access has them."""

from catalog_pipeline.database.bulk import analyze, quoted
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enterprise.fields import FIELDS
from catalog_pipeline.enterprise.staging import reject, value_of
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.rules.allocated_at import EXACT
from catalog_pipeline.rules.emails import RETIRED

TABLE = "catalog.content_assignment"
DONE = {"accepted": "redeemed", "cancelled": "cancelled", "expired": "expired", "reversed": "reversed"}
"""The action that puts an assignment into each state. One into `errored` is a redemption that failed."""
UNLISTED = """
    ({row}.listed_by_id IS NULL OR {row}.missing_since IS NOT NULL
     OR EXISTS (SELECT FROM leaving g WHERE g.table_name = 'content_assignment' AND g.id = {row}.id))"""
"""SQL of whether upstream no longer lists a row, so that a document under another uuid may be the same assignment."""

MATCHED = f"""
    CREATE TEMP TABLE matched_assignment ON COMMIT DROP AS
    SELECT s.row, c.id AS assignment_configuration_id, c.owner, coalesce(u.id, e.id, l.id) AS id, l.id AS learners_id,
           k.lms_user_id AS known_lms_user_id
    FROM staged_assignment s
    LEFT JOIN catalog.assignment_configuration c ON c.uuid = s.configuration_uuid
    LEFT JOIN catalog.enterprise_learner k
        ON k.enterprise_customer_id = c.enterprise_customer_id AND {folded("k.email")} = {folded("s.learner_email")}
    LEFT JOIN {TABLE} u ON u.uuid = s.uuid
    LEFT JOIN {TABLE} e ON e.assignment_configuration_id = c.id AND {folded("e.learner_email")} =
        {folded("s.learner_email")} AND e.content_key = s.content_key AND {{same_e}}
    LEFT JOIN {TABLE} l ON l.assignment_configuration_id = c.id AND l.content_key = s.content_key
        AND l.lms_user_id = coalesce(s.lms_user_id, k.lms_user_id) AND {{same_l}}
    WHERE NOT EXISTS (SELECT FROM record_error r WHERE r.row = s.row)"""
"""Which row each staged one is: by its uuid, else by the learner's address, else by the learner's id."""

STATE_INSTANTS = f"""
    SELECT row, max(created_at) FILTER (WHERE action_type = 'redeemed' AND error_reason IS NOT NULL) AS errored_at,
           {
    ", ".join(
        f"max(completed_at) FILTER (WHERE action_type = '{action}' AND error_reason IS NULL) AS {state}_at"
        for state, action in DONE.items()
    )
}
    FROM staged_action GROUP BY row"""


SPECIAL = {
    # Its uuid stays, but where it is upstream's own.
    "uuid": "coalesce({first_uuid}, {second_uuid}, gen_random_uuid())",
    "lms_user_id": "CASE WHEN s.lms_user_id IS NULL AND m.learners_id <> m.id THEN t.lms_user_id"
    " ELSE coalesce(s.lms_user_id, m.known_lms_user_id, t.lms_user_id) END",
    # An address that was cleared does not come back with an old file, unless the assignment is allocated again.
    "learner_email": f"CASE WHEN t.state = 'expired' AND t.learner_email LIKE '%{RETIRED}'"
    " AND coalesce(s.state, t.state) = 'expired' THEN t.learner_email ELSE s.learner_email END",
    **{
        f"{state}_at": "CASE WHEN {given} THEN s.{state}_at WHEN coalesce(s.state, t.state, 'allocated') = '{state}'"
        " THEN coalesce(done.{state}_at, t.{state}_at) ELSE t.{state}_at END".replace("{state}", state)
        for state in (*DONE, "errored")
    },
}
"""SQL of the columns whose values are more than what is said or what stands; over s, t, m and done."""
ALLOCATED_AT = f"""
    CASE WHEN s.allocated_at IS NULL THEN coalesce(t.allocated_at, :as_of)
         WHEN t.id IS NULL OR s.allocated_at_from IN {EXACT} OR t.allocated_at_from = 'first_seen' THEN s.allocated_at
         ELSE t.allocated_at END"""
"""An instant that is only near the allocation does not replace one that stands, but for the day we first saw it."""
FIELD_COLUMNS = [field.column for field in FIELDS["assignment"] if field.column != "configuration_uuid"]
COLUMNS = [*FIELD_COLUMNS, "assignment_configuration_id", "allocated_at", "allocated_at_from", "listed_by_id"]
COLUMNS += ["missing_since"]


def match_and_decide(publication: Publication, *, listed: bool) -> None:
    """Make `decided_assignment` and `decided_action`, the rows as they will be, and `assignment_outcome`.

    With `listed`, records are documents of enterprise-access, which owns them; otherwise they come from a file, may not
    change what enterprise-access owns, and change states only as `catalog.assignment_transition` allows.
    Each record that may not be written gets an error. `assignment_outcome`: row, id (null if new), uuid, outcome.
    """
    same = UNLISTED if listed else "true"
    publication.execute(MATCHED.format(same_e=same.format(row="e"), same_l=same.format(row="l")))
    _reject_unknown_and_foreign(publication, listed=listed)
    publication.execute(_decided(listed=listed), as_of=publication.as_of)
    publication.execute("CREATE INDEX ON decided_assignment (row)")
    analyze(publication.connection, "decided_assignment")
    if not listed:
        _reject_transitions(publication)
    noun = "Document" if listed else "Row"
    _reject_duplicates(publication, noun)
    _decide_actions(publication, noun)
    publication.execute("DELETE FROM decided_assignment d USING record_error e WHERE e.row = d.row")
    publication.execute(OUTCOMES)


def write(publication: Publication) -> None:
    """Merge what was decided into the assignments and their actions, and count it."""
    updates = ", ".join(f"{column} = s.{column}" for column in COLUMNS)
    ours, theirs = (", ".join(f"{row}.{column}" for column in COLUMNS) for row in "ts")
    publication.execute(f"""
        MERGE INTO {TABLE} t USING decided_assignment s ON t.id = s.id
        WHEN MATCHED AND ({ours}) IS DISTINCT FROM ({theirs}) THEN UPDATE SET {updates}
        WHEN NOT MATCHED THEN INSERT ({", ".join(COLUMNS)}) VALUES ({theirs})""")
    publication.execute(WRITE_ACTIONS)
    counts = rows(publication.connection, "SELECT outcome, count(*) AS n FROM assignment_outcome GROUP BY outcome")
    publication.count(TABLE, {row["outcome"]: row["n"] for row in counts})


TOUCHED = f"SELECT t.id FROM {TABLE} t JOIN assignment_outcome o ON o.uuid = t.uuid WHERE o.outcome <> 'unchanged'"
"""SQL of the ids of the assignments that `write` created or updated."""


def outcomes(publication: Publication) -> list[Row]:
    """row, uuid and outcome of each record that is right."""
    return rows(publication.connection, "SELECT row, uuid::text, outcome FROM assignment_outcome ORDER BY row")


def _reject_unknown_and_foreign(publication: Publication, *, listed: bool) -> None:
    reject(
        publication,
        """SELECT s.row, 'unknown_configuration' AS rule, 'assignment_configuration' AS column_name,
                  s.configuration_uuid::text AS value, 'No assignment configuration has this uuid. Import it first:'
                  ' `catalog-pipeline enterprise import`.' AS message
           FROM matched_assignment m JOIN staged_assignment s USING (row)
           WHERE m.assignment_configuration_id IS NULL""",
    )
    if listed:
        reject(
            publication,
            """SELECT row, 'missing' AS rule, 'uuid' AS column_name, NULL AS value, 'uuid is missing.' AS message
               FROM staged_assignment WHERE uuid IS NULL""",
        )
        return
    reject(
        publication,
        f"""SELECT s.row, 'owned_elsewhere' AS rule, 'assignment_configuration' AS column_name, c.uuid::text AS value,
                   'enterprise-access owns the assignments of configuration ' || c.uuid || '. `catalog-pipeline'
                   ' assignments adopt ' || c.uuid || '` hands them over for good.' AS message
            FROM matched_assignment m JOIN staged_assignment s USING (row) LEFT JOIN {TABLE} t ON t.id = m.id
            JOIN catalog.assignment_configuration c ON c.owner = 'enterprise_access'
                AND c.id IN (m.assignment_configuration_id, t.assignment_configuration_id)""",
    )


def _reject_transitions(publication: Publication) -> None:
    reject(
        publication,
        f"""SELECT d.row, 'transition_not_allowed' AS rule, 'state' AS column_name, d.state AS value,
                   format('Assignment %s cannot go from %s to %s.', t.uuid, t.state, d.state) AS message
            FROM decided_assignment d JOIN {TABLE} t USING (id)
            WHERE t.state <> d.state AND NOT EXISTS (
                SELECT FROM catalog.assignment_transition a WHERE (a.from_state, a.to_state) = (t.state, d.state))""",
    )


def _decided(*, listed: bool) -> str:
    """SQL that makes `decided_assignment`: row, id, and COLUMNS."""
    special = dict(SPECIAL)
    first, second = ("s.uuid", "t.uuid") if listed else ("t.uuid", "s.uuid")
    special["uuid"] = special["uuid"].format(first_uuid=first, second_uuid=second)
    values = []
    for bit, field in enumerate(FIELDS["assignment"]):
        if field.column != "configuration_uuid":
            given = f"s.given & {1 << bit} <> 0"
            said = special.get(field.column, value_of("assignment", field)).replace("{given}", given)
            values.append(f"{said} AS {field.column}")
    listing = "s.row AS listed_by_id, NULL::timestamptz" if listed else "t.listed_by_id, t.missing_since"
    return f"""
        CREATE TEMP TABLE decided_assignment ON COMMIT DROP AS
        SELECT d.*, CASE WHEN d.allocated_at = d.stood_at THEN d.stood_from
                         WHEN d.allocated_at = d.said_at THEN d.said_from ELSE 'first_seen' END AS allocated_at_from
        FROM (
            SELECT s.row, m.id, m.assignment_configuration_id, {", ".join(values)}, {ALLOCATED_AT} AS allocated_at,
                   t.allocated_at AS stood_at, t.allocated_at_from AS stood_from,
                   s.allocated_at AS said_at, s.allocated_at_from AS said_from, {listing} AS missing_since
            FROM matched_assignment m JOIN staged_assignment s USING (row)
            LEFT JOIN {TABLE} t ON t.id = m.id LEFT JOIN ({STATE_INSTANTS}) done ON done.row = s.row
            WHERE NOT EXISTS (SELECT FROM record_error e WHERE e.row = s.row)) d"""


SAME = {
    "uuid": ("uuid", "d.uuid", "t.uuid = d.uuid"),
    "learner_email": (
        "configuration, learner_email and content_key",
        f"d.assignment_configuration_id, {folded('d.learner_email')}, d.content_key",
        f"t.assignment_configuration_id = d.assignment_configuration_id AND t.content_key = d.content_key"
        f" AND {folded('t.learner_email')} = {folded('d.learner_email')}",
    ),
    "lms_user_id": (
        "configuration, lms_user_id and content_key",
        "d.assignment_configuration_id, d.lms_user_id, d.content_key",
        "t.assignment_configuration_id = d.assignment_configuration_id AND t.content_key = d.content_key"
        " AND t.lms_user_id = d.lms_user_id",
    ),
}
"""What no two assignments have alike, by the column that an error names: in words, as columns, and as a join."""


def _reject_duplicates(publication: Publication, noun: str) -> None:
    """Reject records of one assignment after the first, and those that would take what another assignment has."""
    keys = [("id", "assignment", "d.id"), *((column, what, key) for column, (what, key, _) in SAME.items())]
    for column, what, key in keys:
        blamed = "uuid" if column == "id" else column
        reject(
            publication,
            f"""SELECT row, 'duplicate' AS rule, '{blamed}' AS column_name, {blamed}::text AS value,
                       '{noun} ' || first || ' has the same {what}.' AS message
                FROM (SELECT d.row, d.{blamed}, min(d.row) OVER (PARTITION BY {key}) AS first FROM decided_assignment d
                      WHERE d.{column} IS NOT NULL
                        AND NOT EXISTS (SELECT FROM record_error e WHERE e.row = d.row)) d
                WHERE first < row""",
        )
    for column, (what, _, same) in SAME.items():
        reject(
            publication,
            f"""SELECT d.row, 'duplicate' AS rule, '{column}' AS column_name, d.{column}::text AS value,
                       'Assignment ' || t.uuid || ' has the same {what}.' AS message
                FROM decided_assignment d JOIN {TABLE} t ON t.id IS DISTINCT FROM d.id AND {same}""",
        )


DECIDED_ACTION = """
    CREATE TEMP TABLE decided_action ON COMMIT DROP AS
    SELECT s.row, d.uuid AS assignment_uuid, d.id AS content_assignment_id, t.id, s.uuid AS said_uuid, {values}
    FROM staged_action s JOIN decided_assignment d USING (row)
    LEFT JOIN catalog.assignment_action u ON u.uuid = s.uuid
    LEFT JOIN LATERAL (
        SELECT a.id FROM catalog.assignment_action a
        WHERE s.uuid IS NULL AND a.content_assignment_id = d.id AND a.action_type = s.action_type
          AND coalesce(s.created_at, s.completed_at, a.created_at) = a.created_at
        ORDER BY a.id LIMIT 1) same ON true
    LEFT JOIN catalog.assignment_action t ON t.id = coalesce(u.id, same.id)"""
"""An action is the one with its uuid; without a uuid, the one of its kind and instant."""
ACTION_COLUMNS = [field.column for field in FIELDS["action"]]
OUTCOMES = f"""
    CREATE TEMP TABLE assignment_outcome ON COMMIT DROP AS
    SELECT d.row, d.id, d.uuid, CASE
        WHEN d.id IS NULL THEN 'created'
        WHEN ({", ".join(f"t.{c}" for c in COLUMNS)}) IS DISTINCT FROM ({", ".join(f"d.{c}" for c in COLUMNS)})
          OR EXISTS (SELECT FROM decided_action x LEFT JOIN catalog.assignment_action a ON a.id = x.id
                     WHERE x.row = d.row AND ({", ".join(f"a.{c}" for c in ACTION_COLUMNS)})
                           IS DISTINCT FROM ({", ".join(f"x.{c}" for c in ACTION_COLUMNS)})) THEN 'updated'
        ELSE 'unchanged' END AS outcome
    FROM decided_assignment d LEFT JOIN {TABLE} t ON t.id = d.id"""
WRITE_ACTIONS = f"""
    MERGE INTO catalog.assignment_action t USING (
        SELECT x.*, a.id AS owner_id FROM decided_action x JOIN decided_assignment d USING (row)
        JOIN {TABLE} a ON a.uuid = x.assignment_uuid) s ON t.id = s.id
    WHEN MATCHED AND ({", ".join(f"t.{c}" for c in ACTION_COLUMNS)})
        IS DISTINCT FROM ({", ".join(f"s.{c}" for c in ACTION_COLUMNS)})
        THEN UPDATE SET {", ".join(f"{quoted(c)} = s.{c}" for c in ACTION_COLUMNS)}
    WHEN NOT MATCHED THEN INSERT (content_assignment_id, {", ".join(ACTION_COLUMNS)})
        VALUES (s.owner_id, {", ".join(f"s.{c}" for c in ACTION_COLUMNS)})"""


def _decide_actions(publication: Publication, noun: str) -> None:
    """Make `decided_action`, and reject assignments with an action of another one."""
    values = {field.column: value_of("action", field) for field in FIELDS["action"]}
    values["created_at"] = "coalesce(s.created_at, t.created_at, s.completed_at, :as_of)"
    publication.execute(
        DECIDED_ACTION.format(values=", ".join(f"{value} AS {column}" for column, value in values.items())),
        as_of=publication.as_of,
    )
    publication.execute("CREATE INDEX ON decided_action (row)")
    analyze(publication.connection, "decided_action")
    reject(
        publication,
        f"""SELECT DISTINCT ON (row) row, 'duplicate' AS rule, 'actions.uuid' AS column_name, uuid::text AS value,
                  '{noun} ' || first || ' has an action of this uuid.' AS message
           FROM (SELECT row, uuid, min(row) OVER same AS first, row_number() OVER same AS nth
                 FROM decided_action WHERE said_uuid IS NOT NULL WINDOW same AS (PARTITION BY uuid ORDER BY row)) x
           WHERE nth > 1""",
    )
    reject(
        publication,
        f"""SELECT DISTINCT ON (x.row) x.row, 'duplicate' AS rule, 'actions.uuid' AS column_name,
                   x.uuid::text AS value, 'Assignment ' || o.uuid || ' has the action of this uuid.' AS message
            FROM decided_action x JOIN catalog.assignment_action a ON a.id = x.id
            JOIN {TABLE} o ON o.id = a.content_assignment_id
            WHERE a.content_assignment_id IS DISTINCT FROM x.content_assignment_id""",
    )
