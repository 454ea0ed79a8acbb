"""Assignments of content to learners: where they come from, when they expire, what is done, and who is told."""
