"""What the cells of a CSV file of assignments mean as JSON. What means nothing is left to be judged."""

import re
from pathlib import Path
from typing import Any

from catalog_pipeline.enterprise.fields import ALLOCATION_EVIDENCE, FIELDS, NESTED, SHOWN_ONLY
from catalog_pipeline.sources.documents import decode

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
FLAGS = {"true": True, "false": False}
FORMS = {field.name: field.form for field in FIELDS["assignment"]}
REQUIRED = [field.name for field in FIELDS["assignment"] if field.required]
COLUMNS = {*FORMS, *(field.paths[0][0] for field in ALLOCATION_EVIDENCE), *NESTED, *SHOWN_ONLY}


def doubts(path: Path, names: list[str]) -> list[str]:
    """What a header makes one doubt: columns that it lacks, and such as mean nothing."""
    lacking = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    return [
        *([f"{path} has no column {', '.join(lacking)}: commas must stand between columns."] if lacking else []),
        *([f"No field of an assignment is called {', '.join(map(repr, unknown))}: not read."] if unknown else []),
    ]


def value_of(name: str, cell: str) -> Any:
    """The value of a cell of the column `name`. Lists and objects are JSON."""
    form = FORMS.get(name)
    if form == "number" and WHOLE_NUMBER.fullmatch(cell):
        return int(cell)
    if form == "flag":
        return FLAGS.get(cell.lower(), cell)
    if name in NESTED:
        try:
            return decode(cell.encode())
        except ValueError:
            return cell
    return cell
