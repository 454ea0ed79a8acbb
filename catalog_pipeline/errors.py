"""The errors a person may meet. Each says what happened, to what, and what to do next, and has an exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the same for all verbs."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    SOME_ROWS_LEFT = 3
    """Some rows were rejected or deferred; everything else is done."""
    REFUSED = 4
    """The load was refused or held back; nothing was written."""
    UNREACHABLE = 5
    """The database or an upstream is out of reach."""


class CatalogError(Exception):
    """Base of all errors that are meant for a person's eyes."""

    exit_code = ExitCode.UNEXPECTED


class UsageError(CatalogError):
    """What was asked for makes no sense: an unknown key, a bad option, a wrong setting."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A setting is unknown, malformed or contradicts another one."""


class LoadRefusedError(CatalogError):
    """A load was refused whole or held back; the catalog stays as it was."""

    exit_code = ExitCode.REFUSED


class FeedRefusedError(LoadRefusedError):
    """A partner feed cannot be read, or is of no known source or type; nothing of it was applied."""


class SchemaVersionError(LoadRefusedError):
    """The database's schema is older or newer than this code's."""


class UnreachableError(CatalogError):
    """A database or an upstream does not answer, for now."""

    exit_code = ExitCode.UNREACHABLE


class DatabaseError(UnreachableError):
    """The database cannot be started or reached."""


class UpstreamError(UnreachableError):
    """An upstream failed after all retries; trying again later may help."""


class UpstreamRefusedError(UpstreamError):
    """An upstream refuses us (401, 403, 404, not JSON): trying again without a change is hopeless."""
