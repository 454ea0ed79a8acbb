"""Partner feeds, from the file to the report and its mail."""
