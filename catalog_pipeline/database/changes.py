"""SQL of what changes in a row, as JSON: {column: [old, new]} of the columns that differ."""

from collections.abc import Iterable


def changes(members: Iterable[str], between: str = ", ") -> str:
    """The object of these members, as `member` makes them."""
    return f"JSON_OBJECT({between.join(members)} ABSENT ON NULL RETURNING jsonb)"


def member(column: str, old: str, new: str, pair: str | None = None) -> str:
    """A column's member: where `old` and `new` differ, the pair of them or what is told instead; else absent."""
    return f"'{column}': CASE WHEN {old} IS DISTINCT FROM {new} THEN {pair or pair_of(old, new)} END"


def pair_of(old: str, new: str) -> str:
    """The JSON of [old, new]."""
    return f"JSON_ARRAY({old}, {new} NULL ON NULL RETURNING jsonb)"
