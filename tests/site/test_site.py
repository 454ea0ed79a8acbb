"""The site of the tables: all that there is, with links that lead somewhere, and text that stays text."""

import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import pytest
from dagster import DagsterInstance
from sqlalchemy import Engine, text
from support.command import Command

from catalog_pipeline.database import schema
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.settings import Settings
from catalog_pipeline.site import pages, tables
from catalog_pipeline.site.picture import draw
from catalog_pipeline.site.tables import Table, read_tables
from dbt_like_sql import runner
from dbt_like_sql.project import load_models

ODD = 'odd "name" <i>/é'
EVERY_COLUMN = text("""
    SELECT n.nspname || '.' || c.relname, a.attname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname IN ('landing', 'catalog', 'ops', 'marts') AND c.relkind IN ('r', 'v')
      AND c.relname <> 'alembic_version'""")


class Page(HTMLParser):
    """A page's links, anchors and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.add(str(value))
            if name == "id":
                assert value not in self.anchors
                self.anchors.add(str(value))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def marts(engine: Engine) -> Engine:
    """A database whose models are built, but for the snapshots and what was not tested."""
    with connected(engine) as connection:
        for model in load_models():
            if not model.partition:
                runner.build(connection, model)
    return engine


def read(engine: Engine) -> dict[str, Table]:
    with connected(engine) as connection:
        return read_tables(connection, load_models())


def column(of: dict[str, Table], table: str, name: str) -> tables.Column:
    (found,) = [one for one in of[table].columns if one.name == name]
    return found


def test_every_table_and_column_of_the_database_is_on_it_and_every_link_leads_somewhere(
    marts: Engine, tmp_path: Path
) -> None:
    assert set(tables.SCHEMAS) == set(schema.SCHEMAS)
    with connected(marts) as connection:
        connection.execute(text(f"""CREATE TABLE marts."{ODD.replace('"', '""')}" (id int, "a b" text)"""))
        expected = connection.execute(EVERY_COLUMN).all()
    first = pages.build_site(marts, tmp_path / "site")
    site = {path.name: Page(path) for path in first.parent.glob("*.html")}
    for table, name in expected:
        assert pages.anchor(name) in site[pages.page(table)].anchors, (table, name)
        assert table in site["index.html"].text
    for page in site.values():
        for link in page.links:
            file, _, anchor = unquote(link).partition("#")
            if file.endswith((".css", ".js")):
                assert (first.parent / file).is_file()
            elif anchor:
                assert anchor in (site[file] if file else page).anchors, link
            else:
                assert file in site, link
    assert "No model makes it any more" in site[pages.page(f"marts.{ODD}")].text


def test_what_people_wrote_stays_text(engine: Engine, tmp_path: Path) -> None:
    said = "It's </script><script>alert('x')</script> & `a < b`"
    with connected(engine) as connection:
        connection.exec_driver_sql("COMMENT ON TABLE ops.load IS '{}'".format(said.replace("'", "''")))
    folder = pages.build_site(engine, tmp_path / "site").parent
    page = Page(folder / "ops.load.html")
    assert said.replace("`", "") in page.text
    assert (folder / "ops.load.html").read_text().count("<script") == 2
    assert "</script" not in (folder / "index.js").read_text()


def test_a_column_tells_what_it_is_computed_from_and_what_is_computed_from_it_at_any_distance(marts: Engine) -> None:
    found = read(marts)
    assert column(found, "marts.catalog_overview", "next_start").sources == (
        ("catalog.course_run", "start"),
        ("catalog.course_run", "status"),
    )
    assert column(found, "catalog.run", "course_key").sources == (("catalog.catalog_course", "key"),)
    assert ("marts.catalog_overview", "next_start") in column(found, "catalog.course_run", "start").readers
    assert "marts.run_calendar" in found["marts.run_availability"].read_by
    picture = draw(found["catalog.course_run"], found)
    assert picture
    cells = {c.number: c.name for layer in picture.layers for box in layer.boxes if box.table for c in box.cells}
    drawn = {(cells[edge.source], cells[edge.target]) for edge in picture.edges}
    assert (("catalog.course_run", "start"), ("marts.run_availability", "availability")) in drawn
    assert (("marts.run_availability", "availability"), ("marts.run_calendar", "availability")) in drawn


def test_pictures_are_laid_out_without_overlaps_and_their_lines_go_to_the_right(marts: Engine) -> None:
    found = read(marts)
    pictures = [picture for table in found.values() if (picture := draw(table, found))]
    assert len(pictures) > 15
    for picture in pictures:
        for layer in picture.layers:
            for above, below in zip(layer.boxes, layer.boxes[1:], strict=False):
                assert above.y + above.height < below.y
            assert layer.x + layer.width < picture.width
            assert layer.boxes[-1].y + layer.boxes[-1].height < picture.height
        for edge in picture.edges:
            points = re.findall(r"[MC ](\d+) \d+|H(\d+)", edge.line)
            across = [int(point or end) for point, end in points]
            assert len(across) >= 4
            assert across == sorted(across)


def test_the_last_result_of_each_check_is_told(engine: Engine, tmp_path: Path) -> None:
    folder, (model,) = tmp_path / "site", [one for one in load_models() if one.name == "run_availability"]
    pages.build_site(engine, folder)
    page = Page(folder / "marts.run_availability.html")
    assert "It is not built yet" in page.text
    assert "– 5 not run yet" in page.text
    with connected(engine) as connection:
        runner.build(connection, model)
        runner.run_tests(connection, model)
        connection.exec_driver_sql(
            "UPDATE ops.check_result SET failing_rows = 12 WHERE check_name = 'availability_not_null';"
            "UPDATE ops.check_result SET severity = 'warn', failing_rows = 1 WHERE check_name = 'key'"
        )
    pages.build_site(engine, folder)
    page = Page(folder / "marts.run_availability.html")
    assert "✗ 1 failed ! 1 warned ✓ 3 passed" in page.text
    assert "✗ failed 12 rows" in page.text
    assert "availability is one of Archived, Current, Starting Soon, Upcoming." in page.text
    assert re.search(r"! warned 1 row \d{4}-\d\d-\d\d \d\d:\d\d UTC", page.text)
    assert "✗ 1 failed" in Page(folder / "index.html").text


def test_owners_and_writers_are_told(engine: Engine, defs: dg.Definitions, tmp_path: Path) -> None:
    found = read(engine)
    owners = defs.resolve_asset_graph().get(dg.AssetKey(["catalog", "course_run"])).owners
    assert list(owners) == [f"team:{found['catalog.course_run'].owner}"]
    assert found["marts.run_facts"].owner == "catalog-analytics"
    assert (
        column(found, "catalog.course_run", "status").writer == "course-discovery, else the LMS, else the current feed"
    )
    assert column(found, "catalog.course_run", "price").writer == (
        "the current feed that lists it, else course-discovery"
    )
    assert column(found, "catalog.course_run", "listed_by_id").writer == "derived by loads"
    assert column(found, "ops.outbox", "recipients").is_personal
    of_catalog = {name for name, table in found.items() if table.schema == "catalog" and not table.is_view}
    assert set(tables.WRITERS) == of_catalog
    folder = pages.build_site(engine, tmp_path / "site").parent
    assert "enterprise-subsidy, or enterprise import" in Page(folder / "catalog.subsidy.html").text
    assert "Who writes it" not in Page(folder / "catalog.subsidy.html").text
    assert "Who writes it" in Page(folder / "catalog.course_run.html").text


def test_a_folder_that_holds_something_else_is_left_alone(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear …")
    with pytest.raises(UsageError, match="holds something else than the site"):
        pages.build_site(engine, tmp_path / "mine")
    with pytest.raises(UsageError, match=r"letter\.txt is no folder\. Give another"):
        pages.build_site(engine, tmp_path / "mine" / "letter.txt" / "site")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(UsageError, match="cannot be written"):
        pages.build_site(engine, tmp_path / "mine" / "letter.txt" / "site")


def test_a_site_is_replaced_whole_also_by_several_at_once_and_after_a_kill(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    pages.build_site(engine, folder)
    (folder / "marts.gone.html").write_text("")
    folder.rename(tmp_path / ".site.old")  # as a build leaves it that is killed between two renames
    with ThreadPoolExecutor() as pool:
        assert {one.result() for one in [pool.submit(pages.build_site, engine, folder) for _ in range(3)]} == {
            folder / "index.html"
        }
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert not (folder / "marts.gone.html").exists()


def test_the_command_and_the_night_build_it(
    command: Command, tmp_path: Path, defs: dg.Definitions, instance: DagsterInstance, deployed: Settings
) -> None:
    assert command("site", "build", "--to", "pages").stdout == f"{(command.home / 'pages/index.html').as_uri()}\n"
    assert command("site", "build").stdout == f"{(command.home / 'site/index.html').as_uri()}\n"
    assert defs.resolve_job_def("build_site").execute_in_process(instance=instance).success
    assert (deployed.site_folder / "marts.run_facts.html").is_file()
