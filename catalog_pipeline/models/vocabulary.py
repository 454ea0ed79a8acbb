"""Words that tables and those who ask share. It loads nothing."""

FOLD_COLLATION = "pg_c_utf8"
"""Lower-casing by this built-in collation is the same on every server, and equals Arrow's `utf8_lower`."""

ROW_OUTCOMES = ("created", "updated", "unchanged", "deleted", "rejected", "deferred", "duplicate")
"""What a load did with a row."""
