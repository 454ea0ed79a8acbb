"""What grows for ever, and how it is kept small: what the night removes, and the archive of the history."""
