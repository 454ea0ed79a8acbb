"""Mutated feeds, CSV and product JSON: whatever the bytes, a feed ends in a report or in a refusal that says why.

The suite tries few. `MUTATIONS=20000 MUTATIONS_FIRST=1000 pytest tests/partner/test_mutations.py` tries more, from the
thousandth on; each number makes the same bytes for ever.
"""

import bz2
import gzip
import io
import lzma
import os
import traceback
import zipfile
from random import Random

import orjson
from support.feeds import TYPE, FedCatalog, csv_of, fed, json_of, presented, product

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.summary import summarizer
from catalog_pipeline.sample.feeds import feed_files

RULES = load_rules().model_copy(update={"recipients": {TYPE: {"2u": ["ann@example.org"]}}})
COUNT, FIRST = int(os.environ.get("MUTATIONS", "40")), int(os.environ.get("MUTATIONS_FIRST", "0"))
DEEP = 5_000
NASTY = [
    *(
        "\0",
        "\ufeff",
        "\ud800",
        "\udce9",
        "\u2028",
        "\x85",
        "\x1e",
        "\x1eend\x1e",
        "😀",
        "e\u0301",
        "İ",
        "\r",
        "\n",
        "\t",
    ),
    *('"', "'", ",", ";", '""', "\\", "None", "=1+1", "1e999", "NaN", "-0", "1" * 400, "9" * 19, "0x1f", "1_000"),
    *("0000-00-00", "9999-12-31", "10000-01-01", "2026-02-30", "24:00", "true", "[]", "{}", "x" * 120_000),
    *("http://[", "https://é/", "aHR0cHM6Ly9leGFtcGxlLm9yZw==", "<p>", "&#0;", "%s", "{0}", "$$"),
]
"""Text that readers stumble over."""
VALUES = [None, True, -1, 2**63, 1.5e300, [], {}, [[None]], {"a": []}, ["a", {"b": 1}]]


def seeds() -> list[bytes]:
    """The feeds to mutate: the sample's, and smaller ones."""
    small = [
        csv_of(fed("1", "v"), fed("2", "w", restriction_type="custom-b2c"), fed("1", "u", start="2026-10-01")),
        json_of(product("1", presented("v")), product("2", presented("w", "scheduled"), certificate={"blurb": "x"})),
    ]
    return small * 4 + [shortened(file.data) for file in feed_files(20, 1, 1)]


def shortened(data: bytes) -> bytes:
    """The first rows or products of a feed of the sample."""
    if data.startswith(b"{"):
        return json_of(*orjson.loads(data)["products"][:3])
    return b"".join(data.splitlines(keepends=True)[:6])


SEEDS = seeds()


def flip(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 3, 30])):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def insert(random: Random, data: bytes) -> bytes:
    """A nasty text, more often in the header than anywhere else."""
    at = random.randrange(min(len(data), random.choice([300, len(data)])) + 1)
    return data[:at] + random.choice(NASTY).encode("utf-8", "surrogatepass") * random.choice([1, 1, 1, 50]) + data[at:]


def replace_cell(random: Random, data: bytes) -> bytes:
    if data.startswith(b"{"):
        return data
    cells = data.split(b",")
    cells[random.randrange(len(cells))] = random.choice(NASTY).encode("utf-8", "surrogatepass")
    return b",".join(cells)


def cut(random: Random, data: bytes) -> bytes:
    start, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return random.choice([data[:end], data[start:], data[:start] + data[end:], data[:end] + data[start:]])


def shuffle_lines(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    random.shuffle(lines)
    return b"".join(lines)


def encode(random: Random, data: bytes) -> bytes:
    name = random.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252", "utf-7", "cp037"])
    return data.decode("utf-8", "replace").encode(name, "replace")


def rename_column(random: Random, data: bytes) -> bytes:
    """A CSV's header with a name that is odd, doubled or missing."""
    if data.startswith(b"{"):
        return data
    header, _, rest = data.partition(b"\n")
    names = header.split(b",")
    at = random.randrange(len(names))
    nasty = random.choice(NASTY).encode("utf-8", "surrogatepass")
    names[at] = random.choice(
        [nasty, names[at] + nasty, names[0], b"", names[at].upper(), b" " + names[at], b"reasons"]
    )
    return b",".join(names) + b"\n" + rest


def change_value(random: Random, data: bytes) -> bytes:
    """JSON with another value at some place; of other bytes, as they are."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return data
    at = document
    while isinstance(at, (dict, list)) and at:
        key = random.choice(list(at) if isinstance(at, dict) else list(range(len(at))))
        inner = at[key]
        if isinstance(inner, (dict, list)) and inner and random.random() < 0.8:
            at = inner
            continue
        at[key] = "PLACE"
        if isinstance(at, dict) and random.random() < 0.1:
            at[random.choice(NASTY[4:])] = at.pop(key)
        break
    try:
        return orjson.dumps(document).replace(b'"PLACE"', any_value(random), 1)
    except TypeError:  # too deep already
        return data


def any_value(random: Random) -> bytes:
    deep = random.choice([100, 1_000, DEEP])
    return random.choice(
        [
            orjson.dumps(random.choice(VALUES)),
            b'"' + random.choice(["\\u0000", "\\ud800", "\\udc00x", "a\\u0000b"]).encode() + b'"',
            orjson.dumps(random.choice([text for text in NASTY if text.isprintable() or text in "\0\r\n\t"])),
            b"[" * deep + b"]" * deep,
            b'{"a":' * deep + b"1" + b"}" * deep,
            b"1" * 5_000,
            b"1e400",
            b"NaN",
        ]
    )


def pack(random: Random, data: bytes) -> bytes:
    """Packed in some way, sometimes damaged."""
    packed = random.choice([gzip.compress, zipped, lzma.compress, bz2.compress])(data)
    return random.choice([flip, cut, insert])(random, packed) if random.random() < 0.7 else packed


def zipped(data: bytes) -> bytes:
    method = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2][len(data) % 4]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("feed.csv", data)
    return file.getvalue()


GENTLE = [replace_cell, replace_cell, rename_column, change_value, change_value, change_value]
ROUGH = [flip, insert, cut, shuffle_lines, encode, *GENTLE]


def mutant(number: int) -> bytes:
    """The mutated feed of this number."""
    random = Random(number)
    data = random.choice(SEEDS)
    mutations = random.choice([GENTLE, GENTLE, ROUGH])
    for _ in range(random.choice([1, 2, 3, 6])):
        data = random.choice(mutations)(random, data) if data else data
    return pack(random, data or b" ") if random.random() < 0.1 else data


def ends(fed_catalog: FedCatalog, data: bytes, *, dry_run: bool) -> str:
    """How a feed ends: its outcome, or the message that refuses it. Its report is good JSON."""
    summarize = summarizer(fed_catalog.settings, RULES)
    try:
        report = fed_catalog.ingest(data=data, dry_run=dry_run, force=True, summarize=summarize)
    except FeedRefusedError as error:
        return str(error)
    orjson.dumps(report.to_json())
    return report.outcome


def test_a_mutated_feed_ends_in_a_report_or_a_refusal_planned_and_applied(fed_catalog: FedCatalog) -> None:
    failures: dict[str, int] = {}
    for number in range(FIRST, FIRST + COUNT):
        data = mutant(number)
        try:
            planned, applied = (ends(fed_catalog, data, dry_run=dry_run) for dry_run in (True, False))
            names = [f"{fed_catalog.arrivals - 1}.csv", f"{fed_catalog.arrivals}.csv"]
            assert planned.replace(names[0], names[1]) == applied
        except Exception as error:
            ours = [
                frame for frame in traceback.extract_tb(error.__traceback__) if "catalog_pipeline" in frame.filename
            ]
            where = f"{ours[-1].filename}:{ours[-1].lineno}" if ours else "this test"
            failures.setdefault(f"{type(error).__name__} in {where}: {str(error)[:200]}", number)
    assert failures == {}, f"{len(failures)} kinds of failures, each with the number of a mutant"
