"""The errors that a person may see. Each says what happened, to what, and what to do next; each has an exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit status of a command means. It is the same for all verbs."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    SOME_ROWS_LEFT = 3
    """Some rows were rejected or deferred; everything else is done."""
    REFUSED = 4
    """A load was refused, and nothing was written; or something was held back, and waits for a person."""
    UNREACHABLE = 5
    """The database or an upstream cannot be reached."""


class CatalogError(Exception):
    """The base of all errors whose message is written for a person."""

    exit_code = ExitCode.UNEXPECTED


class UsageError(CatalogError):
    """The request is wrong: an unknown key, a bad option, a wrong setting."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A setting is unknown, malformed or contradicts another one."""


class LoadRefusedError(CatalogError):
    """A load was refused whole; the catalog stays as it was."""

    exit_code = ExitCode.REFUSED


class FeedRefusedError(LoadRefusedError):
    """A partner feed cannot be read, or its source or type is unknown; nothing of it was applied."""


class FeedFailedError(CatalogError):
    """A partner feed ended with an error that nobody expected; nothing of it was applied."""


class SchemaVersionError(LoadRefusedError):
    """The database's schema is older or newer than this code's."""


class UnreachableError(CatalogError):
    """A database or an upstream does not answer at the moment."""

    exit_code = ExitCode.UNREACHABLE


class DatabaseError(UnreachableError):
    """The database cannot be started or reached."""


class UpstreamError(UnreachableError):
    """An upstream failed after all retries; trying again later may help."""


class UpstreamRefusedError(UpstreamError):
    """An upstream refuses the request (401, 403, 404) or answers no JSON: trying again changes nothing."""
