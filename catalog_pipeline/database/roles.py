"""The database roles: what each may read and write. `migrate` makes them where its login may, and grants anew.

Roles belong to the server, and serve all its databases; what is granted to them belongs to one database. Everything
else works without them. A person or a program gets a login of its own, as a member of one of them.
"""

import logging
from dataclasses import dataclass, field

from psycopg import errors
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import READER, connected, driver, embedded_data_folder

logger = logging.getLogger(__name__)
ANALYST, LEARNER, WRITER = "catalog_analyst", "catalog_learner", "catalog_writer"
PRIVATE_TABLES = ["ops.outbox"]
"""Tables of `catalog` and `ops` of which no role may read anything."""
TRIES = 20
"""How often to make roles while other databases of the server make them at the same time."""
MADE_MEANWHILE = (errors.UniqueViolation, errors.DuplicateObject, errors.InternalError)
"""What Postgres raises when another database makes or changes the same role: the last, 'tuple concurrently updated'."""


@dataclass(frozen=True)
class Role:
    """A role that people's and programs' logins are members of.

    `limits`: settings of sessions that log in as the role itself; a member's login needs its own.
    """

    name: str
    comment: str
    member_of: str | None = None
    limits: dict[str, str] = field(default_factory=dict)


FOR_PEOPLE = {"statement_timeout": "10min", "idle_in_transaction_session_timeout": "10min", "jit": "off"}
ROLES = (
    Role(READER, "Reads the marts.", limits=FOR_PEOPLE),
    Role(ANALYST, "Reads marts, catalog and ops, without mail and personal data.", READER, FOR_PEOPLE),
    Role(LEARNER, "Reads what learners see.", limits={"statement_timeout": "5s", "transaction_timeout": "10s"}),
    Role(
        WRITER,
        "Changes the catalog, and reads what an analyst reads.",
        ANALYST,
        {"transaction_timeout": "30min", "idle_in_transaction_session_timeout": "60s"},
    ),
)

# Each row of both queries is one privilege, as GRANT and REVOKE write it. Roles that do not exist have none.
RELATIONS = """
    SELECT c.oid, c.relacl, c.relowner, c.relkind, n.nspname AS schema, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('landing', 'catalog', 'ops', 'marts') AND c.relkind IN ('r', 'v', 'm', 'p')
      AND pg_has_role(c.relowner, 'USAGE')"""
COLUMNS = """
    SELECT r.name, r.schema, r.relowner, a.attacl, a.attname FROM relations r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped"""
WANTED = f"""
    SELECT '{READER}' AS role, 'SELECT ON ' || name AS privilege FROM relations WHERE schema = 'marts'
    UNION ALL
    SELECT '{ANALYST}', format('SELECT (%I) ON %s', attname, name) FROM columns
    WHERE schema IN ('catalog', 'ops') AND name <> ALL(:private) AND name || '.' || attname <> ALL(:personal)
    UNION ALL
    SELECT '{WRITER}', change || ' ON ' || name FROM relations, unnest('{{INSERT,UPDATE,DELETE}}'::text[]) AS change
    WHERE schema = 'catalog' AND relkind IN ('r', 'p')
    UNION ALL
    SELECT role, 'USAGE ON SCHEMA ' || nspname FROM schemas JOIN (
        VALUES ('{READER}', 'marts'), ('{ANALYST}', 'catalog'), ('{ANALYST}', 'ops'), ('{LEARNER}', 'catalog')
    ) AS used (role, schema) ON schema = nspname"""
GRANTED = """
    SELECT acl.grantee, privilege_type || ' ON ' || name FROM relations, aclexplode(relacl) AS acl
    WHERE acl.grantor = relowner
    UNION ALL
    SELECT acl.grantee, format('%s (%I) ON %s', privilege_type, attname, name) FROM columns, aclexplode(attacl) AS acl
    WHERE acl.grantor = relowner
    UNION ALL
    SELECT acl.grantee, privilege_type || ' ON SCHEMA ' || nspname FROM schemas, aclexplode(nspacl) AS acl
    WHERE acl.grantor = nspowner"""
DIFFERENCES = f"""
    WITH schemas AS (
        SELECT * FROM pg_namespace WHERE nspname IN ('landing', 'catalog', 'ops', 'marts')
                                     AND pg_has_role(nspowner, 'USAGE')
    ), relations AS ({RELATIONS}), columns AS ({COLUMNS}),
    wanted AS (SELECT role, privilege FROM ({WANTED}) AS w JOIN pg_roles ON rolname = role),
    granted AS (
        SELECT rolname::text AS role, privilege FROM ({GRANTED}) AS g (grantee, privilege)
        JOIN pg_roles ON pg_roles.oid = grantee WHERE rolname = ANY(:roles)
    )
    SELECT format('GRANT %s TO %I', privilege, role)
    FROM (SELECT * FROM wanted EXCEPT SELECT * FROM granted) AS missing
    UNION ALL
    SELECT format('REVOKE %s FROM %I', privilege, role)
    FROM (SELECT * FROM granted EXCEPT SELECT * FROM wanted) AS surplus
    UNION ALL
    SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO {READER}', nspname)
    FROM schemas JOIN pg_roles ON rolname = '{READER}'
    WHERE nspname = 'marts' AND NOT EXISTS (
        SELECT FROM pg_default_acl d, aclexplode(defaclacl) AS acl
        WHERE defaclrole = current_user::regrole AND defaclnamespace = schemas.oid AND defaclobjtype = 'r'
          AND acl.grantee = pg_roles.oid AND privilege_type = 'SELECT')"""


def make(engine: Engine) -> None:
    """Make the roles that the server lacks. A login that may not makes none; `missing` says what lacks then."""
    for tries_left in reversed(range(TRIES)):
        try:
            with connected(engine) as connection:
                for statement in missing(connection):
                    driver(connection).execute(statement.encode())
            return
        except errors.InsufficientPrivilege as error:
            logger.info("this login may not make the roles: %s", error)
            return
        except MADE_MEANWHILE:
            if not tries_left:
                raise


def missing(connection: Connection) -> list[str]:
    """The statements that make the roles and memberships that the server lacks, for who may run them."""
    found = connection.execute(text("SELECT rolname, rolcanlogin FROM pg_roles"))
    can_login = {row.rolname: row.rolcanlogin for row in found}
    found = connection.execute(text("SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members"))
    memberships = {(member, role) for member, role in found}
    statements: list[str] = []
    for role in ROLES:
        if role.name not in can_login:
            statements += [f"CREATE ROLE {role.name}", f"COMMENT ON ROLE {role.name} IS '{role.comment}'"]
            statements += [f"ALTER ROLE {role.name} SET {name} = '{value}'" for name, value in role.limits.items()]
        if role.member_of and (role.name, role.member_of) not in memberships:
            statements.append(f"GRANT {role.member_of} TO {role.name}")
    # Only its owner reaches the embedded server, which asks nobody for a password: there the role itself may log in.
    if embedded_data_folder(connection.engine.url) and not can_login.get(ANALYST):
        statements.append(f"ALTER ROLE {ANALYST} LOGIN")
    return statements


def grant(connection: Connection) -> None:
    """Give each role that exists exactly its privileges, on what the login owns; nothing is written if it has them."""
    if statements := differences(connection):
        driver(connection).execute("; ".join(statements).encode())


def differences(connection: Connection) -> list[str]:
    """The statements that give each role that exists exactly its privileges."""
    from catalog_pipeline.models.tables import metadata  # it takes a while, and `missing` does without

    personal = [
        f"{table.fullname}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.info.get("pii")
    ]
    parameters = {"personal": personal, "private": PRIVATE_TABLES, "roles": [role.name for role in ROLES]}
    return list(connection.execute(text(DIFFERENCES), parameters).scalars())
