"""Assignments of content to learners: when they expire, what is done with them, and who is told."""
