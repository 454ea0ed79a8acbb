"""The database's password is shown to nobody: not by the process list, nor by what is printed."""

import pytest
from support.command import Command

from catalog_pipeline.database.engine import Server

COMMAND_LINE = r"\! tr '\0' ' ' < /proc/$PPID/cmdline; echo $PGPASSWORD"


def test_psql_gets_the_password_but_its_command_line_does_not_show_it(command: Command, server: Server) -> None:
    for url in (
        server.url("postgresql").replace("//postgres@", "//postgres:secret@"),
        f"{server.url('postgresql')}&password=secret",
    ):
        command.env["CATALOG_DATABASE_URL"] = url
        line, _, password = command("psql", "-c", COMMAND_LINE).stdout.strip().rpartition(" ")
        assert "/psql" in line
        assert "secret" not in line
        assert password == "secret"
        assert command("psql", "-At", "-c", "select current_user").stdout == "postgres\n"


@pytest.mark.parametrize(
    ("verb", "url", "status"),
    [
        ("doctor", "postgresql://ann:secret@127.0.0.1:9/catalog", 5),
        ("doctor", "postgresql://ann@127.0.0.1:9/catalog?password=secret", 5),
        ("psql", "postgresql://ann@127.0.0.1:9/catalog?password=secret", 5),
        ("status", "postgresql://ann@127.0.0.1:9/catalog?sslpassword=secret", 2),
        ("status", "postgresql://ann:secret@127.0.0.1:port/catalog", 2),
        ("status", "postgresql://ann:secret@one:1,two:2/catalog", 2),
        ("status", "postgresql://ann:secret@127.0.0.1:9/catalog?port=abc", 2),
    ],
)
def test_no_verb_prints_a_password_or_a_traceback(command: Command, verb: str, url: str, status: int) -> None:
    command.env["CATALOG_DATABASE_URL"] = url
    told = command(verb, status=status)
    assert "Traceback" not in told.stderr
    assert "secret" not in told.stdout + told.stderr


def test_a_port_that_is_no_number_is_a_wrong_setting(command: Command) -> None:
    command.env["CATALOG_DATABASE_URL"] = "postgresql://ann:secret@127.0.0.1:abc/catalog"
    told = command("status", status=2).stderr
    assert told.startswith("error: CATALOG_DATABASE_URL: the port must be one number")
