# pyright: reportArgumentType=false
"""What one document says of a run or a course, read as a load reads it."""

import pandas as pd

from catalog_pipeline.database.rows import Row
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.schemas.catalog import RECORD_KEYS, parse_table
from catalog_pipeline.schemas.parsing import TEXT
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.upstreams import SOURCES


def said(document: Row, table: str, key: str) -> Row:
    """The values that a document gives for a run or course, by field."""
    picked = SOURCES[document["source"]].pick_columns(document["kind"], [(0, decode(decompress(document["payload"])))])
    if table not in picked.tables:
        return {}
    frame, _ = parse_table(table, picked.tables[table])
    here = frame[fold(frame[RECORD_KEYS[table]]) == fold(pd.Series([key], dtype=TEXT)).iloc[0]].astype(object)
    return {} if here.empty else here.where(here.notna(), None).iloc[0].to_dict()
