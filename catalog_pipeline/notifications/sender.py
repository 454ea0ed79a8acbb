"""Which database sends the mail of its outbox. A copy holds the mail of its original, which the original sends.

It is the database that wrote the outbox's first mail, until a person names another one.
"""

from sqlalchemy import Connection, text

from catalog_pipeline.database.identity import IDENTITY
from catalog_pipeline.errors import CatalogError, ExitCode


class MailElsewhereError(CatalogError):
    """Mail waits in a copy of the database that wrote it. Nothing was sent."""

    exit_code = ExitCode.REFUSED


def remember(connection: Connection) -> None:
    """Keep that this database sends the mail, unless it is known already which one does."""
    connection.execute(
        text(f"""INSERT INTO ops.mail_sender (database, named_by) SELECT {IDENTITY}, 'the first mail'
                 ON CONFLICT DO NOTHING""")
    )


def send_from_here(connection: Connection, named_by: str) -> int:
    """Name this database as the one that sends the mail; returns how many mails wait."""
    connection.execute(
        text(f"""INSERT INTO ops.mail_sender (database, named_by) SELECT {IDENTITY}, :named_by
                 ON CONFLICT (is_only) DO UPDATE
                 SET database = excluded.database, named_by = excluded.named_by, named_at = now()"""),
        {"named_by": named_by},
    )
    return _waiting(connection)


def held_back(connection: Connection) -> str | None:
    """Why mail that waits is not sent from this database; None if it is, or if none waits."""
    elsewhere = text(f"SELECT EXISTS (SELECT FROM ops.mail_sender WHERE database <> {IDENTITY})")
    if not connection.execute(elsewhere).scalar_one() or not (waiting := _waiting(connection)):
        return None
    return (
        f"{waiting} mails wait and are not sent: this database is a copy of the one that wrote them, or was restored,"
        " and the other one may have sent them. If this one is to send them, and those to come, run"
        " `catalog-pipeline mail send-from-here`."
    )


def _waiting(connection: Connection) -> int:
    return connection.execute(text("SELECT count(*) FROM ops.outbox WHERE due_at IS NOT NULL")).scalar_one()
