"""Writes the site into a folder: pages that link to one another and open without a server."""

import fcntl
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from sqlalchemy import Engine

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.site.picture import draw
from catalog_pipeline.site.tables import SCHEMAS, Table, read_tables
from dbt_like_sql.project import load_models

TEMPLATES = Path(__file__).parent / "templates"
COPIED = ("page.js", "style.css")
MARK = "MADE_BY.txt"
"""The file by which a folder is known as a site, which may be replaced."""
MADE_BY = "catalog-pipeline made this folder. It is replaced whole when the site is built again.\n"
PLAIN = re.compile(r"[^a-z0-9_.]")
"""What is written as its number in the name of a page or an anchor."""
CODE = re.compile(r"`([^`]+)`")
FIRST_SENTENCE = re.compile(r"(?<=[.])\s|:\s")


def build_site(engine: Engine, folder: Path) -> Path:
    """Write the site into a folder, in place of the one that is there. Returns its first page.

    Who reads the site meanwhile sees the old one. Raises UsageError where the folder holds something else or cannot be
    written, and SqlModelError for a model that selects what is not there.
    """
    folder = folder.expanduser().absolute()
    with connected(engine) as connection:
        tables = read_tables(connection, load_models())
    texts = _texts(tables, datetime.now(UTC))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent), _replaced(folder) as new:
            for name, content in texts.items():
                (new / name).write_text(content, encoding="utf-8")
    except OSError as error:
        why = f"{error.filename} is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise UsageError(f"The site cannot be written into {folder}: {why}. Give another folder.") from error
    return folder / "index.html"


def page(table: str) -> str:
    """The file name of a table's page."""
    return f"{plain(table)}.html"


def plain(name: str) -> str:
    """A name in the signs that file names and anchors may have everywhere; any other sign is written as its number."""
    return PLAIN.sub(lambda found: f"-{ord(found[0]):x}-", name)


def anchor(column: str) -> str:
    """The anchor of a column on its table's page; no other anchor of the page begins so."""
    return f"column-{plain(column)}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder: two that build the site at once do it one after the other."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, which then takes the place of `folder`. What a killed build left is removed."""
    new, old = (folder.with_name(f".{folder.name}.{which}") for which in ("new", "old"))
    for one in (folder, new, old):
        if one.exists() and not (one / MARK).is_file() and (not one.is_dir() or any(one.iterdir())):
            raise UsageError(f"{one} holds something else than the site: give an empty folder, or a new one.")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir()
    (new / MARK).write_text(MADE_BY)
    yield new
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _texts(tables: Mapping[str, Table], now: datetime) -> dict[str, str]:
    """The text of each file of the site, by its name."""
    shared: dict[str, Any] = {"tables": tables, "schemas": SCHEMAS, "now": now}
    environment = _environment()
    of_tables = environment.get_template("table.html")
    return {
        **{name: (TEMPLATES / name).read_text(encoding="utf-8") for name in COPIED},
        "index.js": environment.get_template("index.js").render(entries=list(_entries(tables))),
        "index.html": environment.get_template("index.html").render(shared),
        **{
            page(name): of_tables.render(shared, table=table, picture=draw(table, tables))
            for name, table in tables.items()
        },
    }


def _entries(tables: Mapping[str, Table]) -> Iterator[tuple[str, str, str, str]]:
    """What can be searched for: name, kind, address and description of each table and column."""
    for table in tables.values():
        yield table.name, table.kind, page(table.name), one_line(table.description)
    for table in tables.values():
        for column in table.columns:
            address = f"{page(table.name)}#{anchor(column.name)}"
            yield f"{table.name}.{column.name}", "column", address, one_line(column.description)


@cache
def _environment() -> Environment:
    """The templates: undefined names are errors, all text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "page": page,
        "anchor": anchor,
        "prose": prose,
        "first_sentence": lambda text: FIRST_SENTENCE.split(one_line(text))[0].removesuffix("."),
        "tally": tally,
        "to_the_minute": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return environment


def one_line(text: str) -> str:
    """A text in one line."""
    return " ".join(text.split())


def prose(text: str) -> Markup:
    """A text as HTML: what stands between backticks is code."""
    parts = enumerate(CODE.split(one_line(text)))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in parts)


def tally(table: Table) -> dict[str, int]:
    """How many checks of a table had each outcome; outcomes that none had are left out."""
    counted = Counter(check.outcome for check in table.checks)
    return {outcome: counted[outcome] for outcome in ("failed", "warned", "passed", "not run yet") if counted[outcome]}
