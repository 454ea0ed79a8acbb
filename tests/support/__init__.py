"""Builders and fixtures that tests of several folders use; `tests/conftest.py` loads the fixtures."""
