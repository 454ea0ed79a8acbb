"""Fixtures of `conftest_loading`, which tests import their builders from."""

from conftest_loading import catalog, upstream

__all__ = ["catalog", "upstream"]
