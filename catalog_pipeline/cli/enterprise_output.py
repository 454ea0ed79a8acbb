"""What the verbs about enterprise catalogs print."""

from __future__ import annotations

from collections.abc import Sequence

from catalog_pipeline.cli.console import print_fields, print_json, print_table, say
from catalog_pipeline.database.rows import Row

RUN_COLUMNS = ("run_key", "start", "end", "enroll_by", "price", "status", "restriction_type", "missing_since")


def print_content(found: Sequence[Row], *, as_json: bool) -> None:
    """Print what each catalog says of some content, and its runs below."""
    if as_json:
        print_json(found)
        return
    for number, content in enumerate(found):
        if number:
            say()
        fields = {name: value for name, value in content.items() if name not in ("runs", "catalog_uuid", "partners")}
        partners = ", ".join(partner["name"] for partner in content["partners"] or [])
        print_fields({**fields, "partners": partners or None}, f"Catalog {content['catalog_uuid']}")
        if content["runs"]:
            print_table(content["runs"], "Runs", RUN_COLUMNS, essential=4)
