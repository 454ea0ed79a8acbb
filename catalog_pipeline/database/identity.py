"""Which database this is. A copy is another one, and so is a restored one."""

from sqlalchemy import Connection, text

IDENTITY = """\
(SELECT system_identifier FROM pg_control_system())::text
               || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
               || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())"""
"""SQL of the server's system identifier, its timeline and the database's oid: each way to copy or restore a database
changes one of them, but for a server's files that are put back as they were."""


def identity(connection: Connection) -> str:
    """Which database this is, as a text that no other one has."""
    return connection.execute(text(f"SELECT {IDENTITY}")).scalar_one()
