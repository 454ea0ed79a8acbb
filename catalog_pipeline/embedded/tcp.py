"""The embedded server's TCP port, for programs that cannot use its socket: where it listens, and who may log in there.

Whoever reaches the socket is trusted, for its folder is closed. A TCP port is open to every user of the machine.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog_pipeline.errors import DatabaseError

ADDRESS = "127.0.0.1"
RULES_FILE = "catalog_hba.conf"
"""In the data folder; read in place of `pg_hba.conf`, which it includes."""
RULES = """\
# Written at each start of the server. The first line that fits a login decides. No login by TCP gets past these.
host  all          postgres  all  reject
{members}host  all          all       all  reject
host  replication  all       all  reject
include pg_hba.conf
"""


@dataclass(frozen=True)
class TcpPort:
    """A TCP port of this machine. The members of a role, itself too, log in to one database by their passwords."""

    number: int
    database: str
    role: str

    def settings(self) -> Mapping[str, str]:
        """The server's settings."""
        return {"listen_addresses": ADDRESS, "port": str(self.number), "password_encryption": "scram-sha-256"}

    def require_free(self) -> None:
        """Raise DatabaseError where another program listens on the port."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, self.number))
            except OSError as error:
                raise DatabaseError(
                    f"the database cannot listen on {ADDRESS}:{self.number}: {error.strerror};"
                    " set CATALOG_EMBEDDED_TCP_PORT to a port that is free"
                ) from error


def write_rules(data: Path, port: TcpPort | None, account: tuple[int, int] | None) -> None:
    """Write who may log in by TCP: without a port nobody. `account` is the user and group that run the server."""
    members = f"host  {port.database}  +{port.role}  {ADDRESS}/32  scram-sha-256\n" if port else ""
    (data / RULES_FILE).write_text(RULES.format(members=members))
    if account:
        os.chown(data / RULES_FILE, *account)
