"""Fixtures of `conftest_command`, which tests import `Command` from."""

from conftest_command import command, without_database

__all__ = ["command", "without_database"]
