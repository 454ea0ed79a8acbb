"""How long a refresh of course-discovery takes, next to what it cannot do without. Run it by hand:

    python benchmarks/discovery.py --courses 20000 --rounds 5

From pages recorded to disk, each step in a process of its own, on an embedded Postgres with its usual settings:

- parse: decode the pages and pick the columns that the catalog keeps, and nothing else;
- floor: parse, then COPY and MERGE the same rows into empty plain tables with the same keys, and no more: no documents,
  history, foreign keys, validation or rejects;
- cold: crawl and publish into an empty catalog; unchanged: again; changed: again, 1 % of the courses with a new title.

The machine's noise goes into all of a round alike: ratios are taken within a round.
"""

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import memory
import orjson
import pandas as pd
from sqlalchemy import Engine, event, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.engine import Server, connected, ensure_database, make_engine
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.loading.landing import crawl
from catalog_pipeline.replication.publishing import publish
from catalog_pipeline.replication.staging import SQL_TYPES
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.shelf import Shelf, view_of
from catalog_pipeline.schemas.catalog import FRAMES
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources import discovery
from catalog_pipeline.sources.documents import decode
from catalog_pipeline.sources.http import ApiClient

PAGE = 100
SPARE = 50
"""Courses to make beyond those that are recorded: the awkward ones among them are left out."""
WRITES = """
    SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables
    WHERE schemaname = 'catalog' OR (schemaname, relname) = ('landing', 'document')"""
ROWS = """
    SELECT (SELECT count(*) FROM catalog.catalog_course) + (SELECT count(*) FROM catalog.course_run)"""
KEYS = {
    "organization": ("lower(key COLLATE pg_c_utf8)", "uuid"),
    "catalog_course": ("lower(key COLLATE pg_c_utf8)", "uuid"),
    "course_run": ("lower(run_key COLLATE pg_c_utf8)", "uuid"),
    "program": ("uuid",),
    "program_course": ("program_uuid, course_uuid",),
}
"""What is unique in each plain table, as in the catalog's."""
LINKS = """
    CREATE TABLE public.run_association (course_run_id bigint PRIMARY KEY, catalog_course_id bigint);
    CREATE INDEX ON public.run_association (catalog_course_id);
    CREATE TABLE public.course_variant (variant_id uuid PRIMARY KEY, course_run_id bigint UNIQUE);"""
MERGE_LINKS = """
    CREATE TEMP TABLE link ON COMMIT DROP AS
    SELECT r.id AS course_run_id, c.id AS catalog_course_id, s.variant_id FROM staged_course_run s
    JOIN public.course_run r USING (run_key) JOIN public.catalog_course c ON c.key = s.course_key;
    ANALYZE link;
    MERGE INTO public.run_association t USING link s ON t.course_run_id = s.course_run_id
    WHEN MATCHED AND t.catalog_course_id IS DISTINCT FROM s.catalog_course_id
        THEN UPDATE SET catalog_course_id = s.catalog_course_id
    WHEN NOT MATCHED THEN INSERT VALUES (s.course_run_id, s.catalog_course_id);
    MERGE INTO public.course_variant t USING (SELECT * FROM link WHERE variant_id IS NOT NULL) s
        ON t.variant_id = s.variant_id
    WHEN MATCHED AND t.course_run_id IS DISTINCT FROM s.course_run_id THEN UPDATE SET course_run_id = s.course_run_id
    WHEN NOT MATCHED THEN INSERT VALUES (s.variant_id, s.course_run_id);"""


def main() -> None:
    """Measure, and print the tables."""
    options = _options()
    with _workspace() as folder, EmbeddedPostgres(folder) as postgres:
        for size in options.courses:
            pages = record(folder / f"{size}", size)
            rounds = [measure(postgres, pages, over_http=options.http) for _ in range(options.rounds)]
            show(size, pages, rounds)
        if options.profile:
            profile(postgres, pages)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--courses", type=int, nargs="+", default=[2_000, 20_000], help="sizes to measure")
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure each size")
    parser.add_argument("--http", action="store_true", help="also crawl the pages over HTTP")
    parser.add_argument("--profile", action="store_true", help="also print the slowest statements of the last size")
    return parser.parse_args()


@contextmanager
def _workspace() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bench", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Recording


def record(folder: Path, courses: int) -> dict[str, Path]:
    """Write the sample's lists, page by page: as they are (first), and with 1 % of the courses changed (then)."""
    catalog = build_catalog(courses + SPARE, seed=1)
    shelf = Shelf(catalog)
    view = view_of({**discovery.COURSES.params})
    plain = [course for course in shelf.courses({}) if not course.pinned][:courses]
    lists = {
        "organization": [shelf.organization_json(one, view) for one in shelf.organizations({})],
        "course": [_shortened(shelf.course_json(one, view)) for one in plain],
        "program": [shelf.program_json(one, view) for one in shelf.programs({}) if not one.pinned],
    }
    changed = [_retitled(body) if number % 100 == 50 else body for number, body in enumerate(lists["course"])]
    _write(folder / "first", lists)
    _write(folder / "then", {**lists, "course": changed})
    return {name: folder / name for name in ("first", "then")}


def _shortened(body: bytes) -> bytes:
    """A course of the size that production's have, about 11 KB: the sample's biographies and skills are long."""
    course = orjson.loads(body)
    runs = [{**run, "staff": [], "outcome": ""} for run in course["course_runs"]]
    return orjson.dumps({**course, "skills": [], "course_runs": runs})


def _retitled(body: bytes) -> bytes:
    course = orjson.loads(body)
    return orjson.dumps({**course, "title": f"{course['title']} (new)"})


def _write(folder: Path, lists: Mapping[str, list[bytes]]) -> None:
    for kind, bodies in lists.items():
        (folder / kind).mkdir(parents=True)
        pages = [bodies[start : start + PAGE] for start in range(0, max(len(bodies), 1), PAGE)]
        for number, shown in enumerate(pages, 1):
            following = b'"more"' if number < len(pages) else b"null"
            head = b'{"count":%d,"next":%s,"previous":null,"results":[' % (len(bodies), following)
            (folder / kind / f"{number}.json").write_bytes(head + b",".join(shown) + b"]}")


class Recorded(ApiClient):
    """A client that reads pages from disk instead of asking for them."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__("recorded:", None, settings)
        self.kinds = {listing.path: folder / listing.kind for listing in discovery.LISTINGS}

    def get(self, path: str, params: Mapping[str, str], stop: Any = None) -> Any:
        """A page's JSON."""
        return decode((self.kinds[path] / f"{params['page']}.json").read_bytes())


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve recorded pages from a process of its own; yields the URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def _serve(folder: Path, pipe: Any) -> None:
    kinds = {listing.path: folder / listing.kind for listing in discovery.LISTINGS}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = (kinds[parts.path] / f"{parse_qs(parts.query)['page'][0]}.json").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pipe.send(server.server_port)
        server.serve_forever()


# Steps: each runs in a process of its own, and returns what it measured


def parse(folder: Path) -> dict[str, Any]:
    """Decode the pages and pick their columns."""
    started = perf_counter()
    for kind in ("organization", "course", "program"):
        for _ in _picked(folder, kind):
            pass
    return {"seconds": perf_counter() - started, "peak": memory.peak()}


def _picked(folder: Path, kind: str) -> Iterator[dict[str, dict[str, list[Any]]]]:
    for page in sorted((folder / kind).iterdir()):
        yield discovery.pick_columns(kind, enumerate(decode(page.read_bytes())["results"])).tables


def floor(folder: Path, url: str) -> dict[str, Any]:
    """Decode, pick, COPY into staging tables and MERGE into plain tables."""
    engine = _engine(url)
    with connected(engine) as connection:
        for table, unique in KEYS.items():
            columns = ", ".join(f'"{name}" {kind}' for name, kind in _types(table).items())
            connection.execute(text(f"CREATE TABLE public.{table} (id bigserial PRIMARY KEY, {columns})"))
            for key in unique:
                connection.execute(text(f"CREATE UNIQUE INDEX ON public.{table} ({key})"))
        connection.exec_driver_sql(LINKS)
    started = perf_counter()
    with connected(engine) as connection:
        for table in KEYS:
            create_staging(connection, f"staged_{table}", _types(table))
        connection.execute(text("ALTER TABLE staged_course_run ADD COLUMN course_key text"))
        for kind in ("organization", "course", "program"):
            for tables in _picked(folder, kind):
                for table, columns in tables.items():
                    frame = pd.DataFrame({name: pd.array(columns[name], dtype="str") for name in _types(table)})
                    if table == "course_run":
                        of = dict(
                            zip(tables["catalog_course"]["document"], tables["catalog_course"]["key"], strict=True)
                        )
                        frame["course_key"] = [of[document] for document in columns["document"]]
                    copy_frame(connection, f"staged_{table}", frame)
        analyze(connection, *(f"staged_{table}" for table in KEYS))
        for table, (key, *_) in KEYS.items():
            _merge_plain(connection, table, key)
        analyze(connection, "public.catalog_course (key)", "public.course_run (run_key)")
        connection.exec_driver_sql(MERGE_LINKS)
    return {"seconds": perf_counter() - started, "peak": memory.peak()}


def _types(table: str) -> dict[str, str]:
    named = {name: SQL_TYPES[column.dtype.type] for name, column in FRAMES[table].columns.items()}
    return {
        name: "uuid" if name.endswith(("uuid", "variant_id")) else kind
        for name, kind in named.items()
        if name != "document"
    }


def _merge_plain(connection: Any, table: str, key: str) -> None:
    names = [f'"{name}"' for name in _types(table)]
    joined = " AND ".join(_equal(part) for part in key.split(", "))
    connection.execute(
        text(f"""
            MERGE INTO public.{table} t USING (SELECT DISTINCT ON ({key}) * FROM staged_{table}) s ON {joined}
            WHEN MATCHED AND ({", ".join(f"t.{n}" for n in names)}) IS DISTINCT FROM
                             ({", ".join(f"s.{n}" for n in names)})
                THEN UPDATE SET {", ".join(f"{n} = s.{n}" for n in names)}
            WHEN NOT MATCHED THEN INSERT ({", ".join(names)}) VALUES ({", ".join(f"s.{n}" for n in names)})""")
    )


def _equal(key: str) -> str:
    if key.startswith("lower("):
        return f"lower(t.{key[6:]} = lower(s.{key[6:]}"
    return f"t.{key} = s.{key}"


def refresh(folder: Path, url: str, upstream: str | None = None) -> dict[str, Any]:
    """Crawl and publish, as `catalog-pipeline refresh discovery --full` does."""
    engine = _engine(url)
    settings = Settings(_env_file=None, page_size=PAGE)  # pyright: ignore[reportCallIssue]
    client = ApiClient(upstream, None, settings) if upstream else Recorded(folder, settings)
    before = _number(engine, WRITES)
    started = perf_counter()
    for listing in discovery.LISTINGS:
        crawl(engine, client, listing, full=True)
    landed, landing_peak = perf_counter(), memory.peak()
    report = publish(engine, discovery, settings)
    ended = perf_counter()
    return {
        "seconds": ended - started,
        "landing": landed - started,
        "publish": ended - landed,
        "peak": memory.peak(),
        "landing_peak": landing_peak,
        "writes": _number(engine, WRITES) - before,
        "rows": _number(engine, ROWS),
        "changed": report.changed,
    }


def _engine(url: str) -> Engine:
    return make_engine(Server(url), "benchmark")


def _number(engine: Engine, query: str) -> int:
    with connected(engine) as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


# Rounds


def measure(postgres: EmbeddedPostgres, pages: Mapping[str, Path], *, over_http: bool) -> dict[str, dict[str, Any]]:
    """One round: every step once, each in a fresh process, on a fresh database."""
    first, then = pages["first"], pages["then"]
    url, plain = _database(postgres), _database(postgres)
    found = {
        "parse": _apart(partial(parse, first)),
        "floor": _apart(partial(floor, first, plain)),
        "cold": _apart(partial(refresh, first, url)),
        "unchanged": _apart(partial(refresh, first, url)),
        "1 % changed": _apart(partial(refresh, then, url)),
    }
    if over_http:
        with _served(first) as upstream:
            found["cold, HTTP"] = _apart(partial(refresh, first, _database(postgres), upstream))
    return found


def _apart(step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(step).result()


def _database(postgres: EmbeddedPostgres) -> str:
    url = postgres.url(f"bench_{uuid4().hex[:8]}")
    ensure_database(Server(url))
    engine = _engine(url)
    migrate(engine)
    engine.dispose()
    return url


def show(size: int, pages: Mapping[str, Path], rounds: list[dict[str, dict[str, Any]]]) -> None:
    """Print one size's table: seconds (least, median), ratios (median of the rounds' own), memory, rows written."""
    megabytes = sum(file.stat().st_size for file in pages["first"].rglob("*.json")) / 1e6
    rows = rounds[0]["cold"]["rows"]
    print(f"\n{size:,} courses, {rows - size:,} runs, {megabytes:,.0f} MB, {len(rounds)} rounds")
    columns = ("step", "least s", "median s", "× parse", "× floor", "landing s", "publish s")
    columns = (*columns, "rows/s", "MB/s", "peak MB", "landing MB", "rows written")
    print(("{:<12}" + "{:>13}" * (len(columns) - 1)).format(*columns))
    for step in rounds[0]:
        taken = [one[step] for one in rounds]
        seconds = [one["seconds"] for one in taken]
        print(
            f"{step:<12}{min(seconds):>13.2f}{statistics.median(seconds):>13.2f}"
            f"{_ratio(rounds, step, 'parse'):>13.2f}{_ratio(rounds, step, 'floor'):>13.2f}"
            f"{_median(taken, 'landing'):>13.2f}{_median(taken, 'publish'):>13.2f}"
            f"{rows / min(seconds):>13,.0f}{megabytes / min(seconds):>13.1f}"
            f"{_median(taken, 'peak'):>13.0f}{_median(taken, 'landing_peak'):>13.0f}{_median(taken, 'writes'):>13,.0f}"
        )


def _ratio(rounds: list[dict[str, dict[str, Any]]], step: str, base: str) -> float:
    return statistics.median(one[step]["seconds"] / one[base]["seconds"] for one in rounds)


def _median(taken: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one.get(name, float("nan")) for one in taken)


def profile(postgres: EmbeddedPostgres, pages: Mapping[str, Path]) -> None:
    """Print the slowest statements of a cold and of a changed refresh."""
    url = _database(postgres)
    for name in ("first", "then"):
        print(f"\nSlowest statements, {name}:")
        for seconds, statement in _apart(partial(slowest, pages[name], url))["statements"]:
            print(f"{seconds:>7.2f} s  {statement}")


def slowest(folder: Path, url: str) -> dict[str, Any]:
    """A refresh, with the time of each of its statements."""
    statements: list[tuple[float, str]] = []
    begun: list[float] = []
    event.listen(Engine, "before_cursor_execute", lambda *_: begun.append(perf_counter()))
    event.listen(
        Engine,
        "after_cursor_execute",
        lambda _c, _k, statement, *_: statements.append((perf_counter() - begun.pop(), " ".join(statement.split()))),
    )
    refresh(folder, url)
    total: dict[str, float] = {}
    for seconds, statement in statements:
        total[statement[:150]] = total.get(statement[:150], 0.0) + seconds
    return {"statements": sorted(((s, q) for q, s in total.items()), reverse=True)[:15]}


if __name__ == "__main__":
    main()
