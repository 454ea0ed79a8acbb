"""The URLs of a server, as each of its clients reads them."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from catalog_pipeline.database.engine import Server
from catalog_pipeline.embedded.postgres import EmbeddedPostgres


@pytest.mark.parametrize("folder", ["/srv/a home", "/srv/a+b", "/srv/50% & more"])
def test_a_folder_of_any_name_is_read_alike_by_postgres_and_by_sqlalchemy(folder: str) -> None:
    server = Server(EmbeddedPostgres(Path(folder)).url("catalog"))
    for url in (server.url("postgresql"), server.dagster_url()):
        assert make_url(url).query["host"] == f"{folder}/data"
        assert conninfo_to_dict(url.replace("+psycopg2", "", 1))["host"] == f"{folder}/data"
