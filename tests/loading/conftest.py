"""Fixtures of `conftest_loading` and `conftest_feeds`, which tests import their builders from."""

from conftest_feeds import fed_catalog
from conftest_loading import catalog, upstream

__all__ = ["catalog", "fed_catalog", "upstream"]
