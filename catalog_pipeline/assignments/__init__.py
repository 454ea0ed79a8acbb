"""Assignments of content to learners: from where they come, when they expire, and what is done with them."""
