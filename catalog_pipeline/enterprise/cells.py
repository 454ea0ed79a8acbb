"""What the cells of a CSV file of assignments mean as JSON. What means nothing is left to be judged."""

import re
from typing import Any

from catalog_pipeline.enterprise.fields import FIELDS, NESTED
from catalog_pipeline.sources.documents import decode

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
FLAGS = {"true": True, "false": False}
FORMS = {field.name: field.form for field in FIELDS["assignment"]}


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
