"""The decisions of the pipeline: pure, set-based, without input or output. `as_of` is the only clock."""

VERSION = 3
"""Raised by hand when a rule changes meaning: every document is then decided anew by the next load."""
