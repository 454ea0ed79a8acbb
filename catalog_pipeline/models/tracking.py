"""Which tables have a history in `ops.change_event`, and what of their rows it may show.

Each models module declares its tables here. A migration installs the same declaration, with the same options, by
`database.triggers.track`; a test compares what is declared with what is installed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tracking:
    """How the history shows one table.

    `table`: its name, as schema.table. `key`: SQL that finds a row's key, with {row} for the row. The history tells of
    `personal` columns only that they changed, of `long_text` columns the md5, and nothing of columns that are
    `left_out`: a change in them alone is no event.
    """

    table: str
    key: str
    personal: tuple[str, ...] = ()
    long_text: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


TRACKED: dict[str, Tracking] = {}
"""The declared tables, by name."""


def track(
    table: str,
    *,
    key: str,
    personal: tuple[str, ...] = (),
    long_text: tuple[str, ...] = (),
    left_out: tuple[str, ...] = (),
) -> None:
    """Declare that the table's changes are written to the history. See `Tracking` for the options."""
    TRACKED[table] = Tracking(table, key, personal, long_text, left_out)
