"""Decides and writes staged customers, catalogs, subsidies, configurations, policies and learners.

They may come in any order, and name what is not known yet: a customer that is only named gets a row, and a policy finds
its catalog, subsidy and configuration whenever they come.
"""

from dataclasses import dataclass

from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enterprise.fields import FIELDS, name_of
from catalog_pipeline.enterprise.staging import reject, value_of
from catalog_pipeline.loading.publication import Publication


@dataclass(frozen=True)
class Table:
    """Where the records of a kind are kept."""

    name: str
    """The table in the schema catalog."""
    service: str | None = None
    """The service that may list them."""
    match: str = "t.uuid = s.uuid"
    """Which row (t) a staged record (s, with its customer c) is, as SQL."""

    @property
    def full_name(self) -> str:
        """The table with its schema."""
        return f"catalog.{self.name}"


TABLES = {
    "customer": Table("enterprise_customer"),
    "catalog": Table("enterprise_catalog", "enterprise_catalog"),
    "subsidy": Table("subsidy", "subsidy"),
    "configuration": Table("assignment_configuration", "enterprise_access"),
    "policy": Table("access_policy", "enterprise_access"),
    "learner": Table("enterprise_learner", match="t.enterprise_customer_id = c.id AND t.lms_user_id = s.lms_user_id"),
}
"""The tables by kind, in the order in which records are written."""
NO_COLUMNS = {"enterprise_customer_uuid", "customer_name"}
"""The fields that fill no column of their own kind's table."""


def decide_and_write(publication: Publication, kind: str, *, listed: bool) -> None:
    """Write the staged records of a kind, and count them; each that may not be written gets an error.

    With `listed`, records are documents of the service that owns them, and are numbered by their ids; otherwise they
    come from a file. Makes `decided_<kind>`: row, id (null if new), the columns, outcome.
    """
    staged = _staged(kind)
    _reject(publication, kind, staged, listed=listed)
    if kind != "customer":
        _add_customers(publication, kind)
    _decide(publication, kind, staged, listed=listed)
    _merge(publication, kind)
    if kind == "catalog":
        _name_customers(publication)
    if kind == "learner":
        _fill_assignments(publication)


def link_policies(publication: Publication) -> None:
    """Link each policy to the catalog, subsidy and configuration that it names, where they are known."""
    linked = publication.execute("""
        UPDATE catalog.access_policy p
        SET enterprise_catalog_id = n.catalog_id, subsidy_id = n.subsidy_id,
            assignment_configuration_id = n.configuration_id
        FROM (SELECT p.id, c.id AS catalog_id, s.id AS subsidy_id, a.id AS configuration_id
              FROM catalog.access_policy p
              LEFT JOIN catalog.enterprise_catalog c ON c.uuid = p.catalog_uuid
              LEFT JOIN catalog.subsidy s ON s.uuid = p.subsidy_uuid
              LEFT JOIN catalog.assignment_configuration a ON a.uuid = p.assignment_configuration_uuid) n
        WHERE n.id = p.id AND (p.enterprise_catalog_id, p.subsidy_id, p.assignment_configuration_id)
            IS DISTINCT FROM (n.catalog_id, n.subsidy_id, n.configuration_id)""")
    # One that was written just now is counted already.
    publication.count("catalog.access_policy", {"updated": max(0, linked - _written(publication, "policy"))})


def outcomes(publication: Publication, kind: str) -> list[Row]:
    """row, uuid (null for a learner) and outcome of each record that is right."""
    uuid = "NULL" if kind == "learner" else "uuid::text"
    return rows(publication.connection, f"SELECT row, {uuid} AS uuid, outcome FROM decided_{kind} ORDER BY row")


def _staged(kind: str) -> str:
    """SQL of the staged records without errors (s), with their customers (c) and the rows that they are (t)."""
    table = TABLES[kind]
    customer = "s.uuid" if kind == "customer" else "s.enterprise_customer_uuid"
    return f"""
        FROM staged_{kind} s LEFT JOIN catalog.enterprise_customer c ON c.uuid = {customer}
        LEFT JOIN {table.full_name} t ON {table.match}
        WHERE NOT EXISTS (SELECT FROM record_error e WHERE e.row = s.row)"""


def _reject(publication: Publication, kind: str, staged: str, *, listed: bool) -> None:
    if not listed and TABLES[kind].service:
        _reject_owned(publication, kind, staged)
    if kind not in ("customer", "learner"):
        name = name_of(kind, "enterprise_customer_uuid")
        reject(
            publication,
            f"""SELECT s.row, 'missing' AS rule, '{name}' AS column_name, NULL AS value,
                       '{name} is missing: a new {kind} needs one.' AS message
                {staged} AND t.id IS NULL AND s.enterprise_customer_uuid IS NULL""",
        )
    for column, key, words in UNIQUE.get(kind, UNIQUE["customer"]):
        reject(
            publication,
            f"""SELECT row, 'duplicate' AS rule, '{name_of(kind, column)}' AS column_name, value,
                       '{"Document" if listed else "Row"} ' || first || ' {words}.' AS message
                FROM (SELECT s.row, s.{column}::text AS value, min(s.row) OVER (PARTITION BY {key}) AS first
                      {staged} AND s.{column} IS NOT NULL) d
                WHERE first < row""",
        )
    if kind in TAKEN:
        reject(publication, TAKEN[kind].format(staged=staged))


def _reject_owned(publication: Publication, kind: str, staged: str) -> None:
    """Reject the records of what an upstream lists that is configured."""
    service = TABLES[kind].service
    owned = f"""t.listed_by_id IS NOT NULL AND t.missing_since IS NULL AND NOT EXISTS (
        SELECT FROM landing.upstream u WHERE u.service = '{service}' AND u.off_since IS NOT NULL)"""
    advice = "Change it there"
    if kind == "configuration":
        owned = "t.owner = 'enterprise_access'"
        advice += ", or let `catalog-pipeline assignments adopt` hand it over for good"
    reject(
        publication,
        f"""SELECT s.row, 'owned_elsewhere' AS rule, 'uuid' AS column_name, s.uuid::text AS value,
                   '{service} lists this {kind}, and owns it. {advice}.' AS message
            {staged} AND {owned}""",
    )


UNIQUE = {
    "customer": [("uuid", "s.uuid", "has the same uuid")],
    "policy": [
        ("uuid", "s.uuid", "has the same uuid"),
        ("assignment_configuration_uuid", "s.assignment_configuration_uuid", "names the same assignment_configuration"),
    ],
    "learner": [
        ("lms_user_id", "s.enterprise_customer_uuid, s.lms_user_id", "has the same customer and lms_user_id"),
        ("email", f"s.enterprise_customer_uuid, {folded('s.email')}", "has the same customer and email"),
    ],
}
"""What no two records of a kind have alike: the column that an error names, the columns, and words. The first is that
of all kinds that are not named."""
TAKEN = {
    "policy": """
        SELECT s.row, 'duplicate' AS rule, 'assignment_configuration' AS column_name,
               s.assignment_configuration_uuid::text AS value,
               'Policy ' || o.uuid || ' names the same assignment_configuration.' AS message
        FROM (SELECT s.* {staged}) s JOIN catalog.access_policy o
            ON o.assignment_configuration_uuid = s.assignment_configuration_uuid AND o.uuid <> s.uuid""",
    "learner": f"""
        SELECT s.row, 'duplicate' AS rule, 'email' AS column_name, s.email AS value,
               'Learner ' || o.lms_user_id || ' of this customer has the same email.' AS message
        FROM (SELECT s.*, c.id AS customer_id {{staged}}) s JOIN catalog.enterprise_learner o
            ON o.enterprise_customer_id = s.customer_id AND {folded("o.email")} = {folded("s.email")}
            AND o.lms_user_id <> s.lms_user_id""",
}
"""SQL of the records that would take what another row has."""


def _add_customers(publication: Publication, kind: str) -> None:
    """Make a row for each customer that records name and that is not known yet; only catalogs say how it is called."""
    name = "s.customer_name" if kind == "catalog" else "CAST(NULL AS text)"
    added = publication.execute(f"""
        INSERT INTO catalog.enterprise_customer (uuid, name)
        SELECT DISTINCT ON (s.enterprise_customer_uuid) s.enterprise_customer_uuid, {name} FROM staged_{kind} s
        WHERE s.enterprise_customer_uuid IS NOT NULL AND NOT EXISTS (SELECT FROM record_error e WHERE e.row = s.row)
          AND NOT EXISTS (SELECT FROM catalog.enterprise_customer c WHERE c.uuid = s.enterprise_customer_uuid)
        ORDER BY s.enterprise_customer_uuid, {name} NULLS LAST""")
    publication.count("catalog.enterprise_customer", {"created": added})


def _values(kind: str, *, listed: bool) -> dict[str, str]:
    """SQL of each column of a kind's table, over s, c and t."""
    values = {f.column: value_of(kind, f) for f in FIELDS[kind] if f.column not in NO_COLUMNS}
    if kind != "customer":
        values["enterprise_customer_id"] = "c.id" if kind == "learner" else "coalesce(c.id, t.enterprise_customer_id)"
    if TABLES[kind].service:
        values |= {"listed_by_id": "s.row" if listed else "NULL::bigint", "missing_since": "NULL::timestamptz"}
    if kind == "configuration":
        values["owner"] = "'enterprise_access'" if listed else "coalesce(t.owner, 'here')"
    return values


def _decide(publication: Publication, kind: str, staged: str, *, listed: bool) -> None:
    values = _values(kind, listed=listed)
    ours, theirs = (", ".join(f"{row}.{column}" for column in values) for row in "tn")
    # What was adopted is ours for good, whoever lists it.
    kept = "AND t.adopted_at IS NULL" if listed and kind == "configuration" else ""
    publication.execute(f"""
        CREATE TEMP TABLE decided_{kind} ON COMMIT DROP AS
        SELECT n.*, CASE WHEN n.id IS NULL THEN 'created' WHEN ({ours}) IS DISTINCT FROM ({theirs}) THEN 'updated'
                         ELSE 'unchanged' END AS outcome
        FROM (SELECT s.row, t.id, {", ".join(f"{value} AS {column}" for column, value in values.items())}
              {staged} {kept}) n
        LEFT JOIN {TABLES[kind].full_name} t ON t.id = n.id""")


def _merge(publication: Publication, kind: str) -> None:
    table = TABLES[kind].full_name
    columns = list(_values(kind, listed=False))
    publication.execute(f"""
        MERGE INTO {table} t USING decided_{kind} s ON t.id = s.id
        WHEN MATCHED AND s.outcome = 'updated' THEN UPDATE SET {", ".join(f"{c} = s.{c}" for c in columns)}
        WHEN NOT MATCHED THEN INSERT ({", ".join(columns)}) VALUES ({", ".join(f"s.{c}" for c in columns)})""")
    counts = rows(publication.connection, f"SELECT outcome, count(*) AS n FROM decided_{kind} GROUP BY outcome")
    publication.count(table, {row["outcome"]: row["n"] for row in counts})


def _written(publication: Publication, kind: str) -> int:
    return publication.scalar(f"SELECT count(*) FROM decided_{kind} WHERE outcome <> 'unchanged'")


def _name_customers(publication: Publication) -> None:
    """Name the customers that have no name as their catalogs do."""
    named = publication.execute("""
        UPDATE catalog.enterprise_customer c SET name = s.customer_name
        FROM (SELECT DISTINCT ON (enterprise_customer_uuid) * FROM staged_catalog s
              WHERE customer_name IS NOT NULL AND NOT EXISTS (SELECT FROM record_error e WHERE e.row = s.row)
              ORDER BY enterprise_customer_uuid, uuid) s
        WHERE c.uuid = s.enterprise_customer_uuid AND c.name IS NULL""")
    publication.count("catalog.enterprise_customer", {"updated": named})


def _fill_assignments(publication: Publication) -> None:
    """Give the assignments of learners who became known their ids."""
    filled = publication.execute(f"""
        UPDATE catalog.content_assignment a SET lms_user_id = d.lms_user_id
        FROM decided_learner d JOIN catalog.assignment_configuration c USING (enterprise_customer_id)
        WHERE d.outcome <> 'unchanged' AND a.assignment_configuration_id = c.id AND a.lms_user_id IS NULL
          AND {folded("a.learner_email")} = {folded("d.email")}
          AND NOT EXISTS (
              SELECT FROM catalog.content_assignment o
              WHERE o.assignment_configuration_id = c.id AND o.lms_user_id = d.lms_user_id
                AND o.content_key = a.content_key)""")
    publication.count("catalog.content_assignment", {"updated": filled})
