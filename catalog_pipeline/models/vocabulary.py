"""Words that tables and those who ask share. It loads nothing."""

FOLD_COLLATION = "pg_c_utf8"
"""Lower-casing by this built-in collation is the same on every server, and equals Arrow's `utf8_lower`."""

ROW_OUTCOMES = ("created", "updated", "unchanged", "deleted", "rejected", "deferred", "duplicate")
"""What a load did with a row."""

UNPAID_MODES = ("audit", "honor", "masters")
"""The modes in which a seat in a run is active only through a program."""
