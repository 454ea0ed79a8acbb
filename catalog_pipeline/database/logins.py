"""Passwords of the roles that log in to the embedded server by its TCP port.

They are made once, and kept in the home folder in the form that `PGPASSFILE` names: `host:port:database:role:password`.
"""

import os
import secrets
from pathlib import Path

from sqlalchemy import Connection, text

from catalog_pipeline.database.engine import CATALOG_DATABASE, READER, driver, embedded_data_folder
from catalog_pipeline.database.roles import ANALYST
from catalog_pipeline.embedded.tcp import ADDRESS

FILE = "pgpass"
LOGINS = (READER, ANALYST)
LISTENS = "SELECT current_setting('port')::integer WHERE current_setting('listen_addresses') <> ''"
HAVE_PASSWORDS = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolname = ANY(:roles)"


def open_port(connection: Connection) -> int | None:
    """The TCP port on which the embedded server listens; None if it does not, or the server is another one."""
    if not embedded_data_folder(connection.engine.url):
        return None
    return connection.execute(text(LISTENS)).scalar_one_or_none()


def passwords_file(home: Path) -> Path:
    """Where the passwords are kept."""
    return home / FILE


def lacking(connection: Connection) -> list[str]:
    """The roles that could log in by TCP, had they a password, or if the file named the port: none if it is shut."""
    port = open_port(connection)
    if port is None:
        return []
    kept, ready = _kept(_home(connection)), _ready(connection)
    return [role for role in LOGINS if role not in ready or kept.get(role, (0, ""))[0] != port]


def give(connection: Connection) -> None:
    """Give each role that lacks one a password, and write the file. One that the file holds is kept."""
    if not lacking(connection):
        return
    home, port = _home(connection), open_port(connection)
    kept, ready = _kept(home), _ready(connection)
    passwords = {role: kept[role][1] if role in kept else secrets.token_urlsafe(24) for role in LOGINS}
    _write(home, [f"{ADDRESS}:{port}:{CATALOG_DATABASE}:{role}:{passwords[role]}" for role in LOGINS])
    for role in LOGINS:
        if role not in kept or role not in ready:
            # Hashed here: neither the server's log nor its views of what runs ever hold the password.
            pgconn = driver(connection).pgconn
            hashed = pgconn.encrypt_password(passwords[role].encode(), role.encode(), b"scram-sha-256").decode()
            driver(connection).execute(f"ALTER ROLE {role} LOGIN PASSWORD '{hashed}'".encode())


def _home(connection: Connection) -> Path:
    data = embedded_data_folder(connection.engine.url)
    assert data
    return data.parent


def _ready(connection: Connection) -> set[str]:
    """The roles that may log in and have a password."""
    return set(connection.execute(text(HAVE_PASSWORDS), {"roles": list(LOGINS)}).scalars())


def _kept(home: Path) -> dict[str, tuple[int, str]]:
    """Port and password of each role, as the file has them; none if there is no file, or a person changed it."""
    file = passwords_file(home)
    lines = [line.split(":") for line in file.read_text().splitlines()] if file.exists() else []
    return {line[3]: (int(line[1]), line[4]) for line in lines if len(line) == 5 and line[1].isdecimal()}


def _write(home: Path, lines: list[str]) -> None:
    """Replace the file, which its owner alone may read from the start."""
    unfinished = home / f"{FILE}.new"
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(f"{line}\n" for line in lines))
    unfinished.replace(passwords_file(home))
