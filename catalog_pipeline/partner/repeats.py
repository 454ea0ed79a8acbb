"""What a checked feed says twice: told to who has no catalog at hand, by the rule that ingestion decides with."""

from dataclasses import replace

import pandas as pd

from catalog_pipeline.partner.columns import ERROR_COLUMNS, ValidatedFeed
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.rules.run_matching import CONFLICT, DUPLICATE, match_runs
from catalog_pipeline.schemas.parsing import INSTANT, NUMBER, TEXT

MATCHING_CODES = {CONFLICT: "VARIANT_CONFLICT", DUPLICATE: "DUPLICATE_ROW"}
"""The codes of the decisions that reject a row."""
RUN_TYPES = {
    **dict.fromkeys(("run", "created"), NUMBER),
    **dict.fromkeys(("course", "key", "variant"), TEXT),
    **dict.fromkeys(("start", "end", "enrollment_end"), INSTANT),
}
NO_CLOCK = pd.Timestamp(0, tz="UTC")
"""Without runs none is active, and the clock decides nothing."""


def reject_repeats(checked: ValidatedFeed) -> ValidatedFeed:
    """The feed, with the rows rejected whose variant or schedule an earlier row of the file has already."""
    rows = checked.rows
    asked = rows[["row", "start", "end"]].assign(course=fold(rows["course_key"]), variant=rows["variant_id"])
    no_runs = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in RUN_TYPES.items()})
    decided = match_runs(asked, no_runs, rows["variant_id"].dropna(), NO_CLOCK)
    again = rows.join(decided[["decision", "reason"]])[decided["decision"].isin([*MATCHING_CODES])]
    errors = again.assign(
        code=again["decision"].map(MATCHING_CODES).astype(TEXT),
        column="variant_id",
        value=again["variant_id"],
        message=again["reason"],
    )
    together = pd.concat([checked.errors, errors[ERROR_COLUMNS]]) if len(errors) else checked.errors
    return replace(
        checked,
        rows=rows.drop(index=again.index).reset_index(drop=True),
        errors=together.sort_values("row", kind="stable", ignore_index=True),
        warnings=checked.warnings[~checked.warnings["row"].isin(again["row"])],
    )
