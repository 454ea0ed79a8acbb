"""Lists and reads the folder of partner feeds. No link in it is followed, so nothing outside of it is read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.files import NOT_UTF8, as_text, is_utf8, read_open_file

DEPTH = 3
"""How deep a feed's file lies in the folder of feeds: `<source>/<course type>/<name>`."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY
NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NONBLOCK | NO_LINK
"""Without waiting: a named pipe that took the place of a file would make us wait for ever."""


@dataclass(frozen=True)
class FoundFile:
    """A file in the folder of feeds: its path relative to the folder, its size, and when it was last changed."""

    path: str
    size: int
    changed_ns: int

    @property
    def version(self) -> tuple[int, int]:
        """What differs once the file is written to."""
        return self.size, self.changed_ns


@dataclass
class Listing:
    """What lies in the folder of feeds. What is hidden or ends in .part is left out."""

    files: list[FoundFile] = field(default_factory=list)
    """Regular files, the oldest first."""
    warnings: list[str] = field(default_factory=list)
    """What is ignored."""
    problems: list[str] = field(default_factory=list)
    """What cannot be a feed, each with what to do."""


def list_folder(root: Path) -> Listing:
    """List the folder of feeds, three levels deep. A folder that does not exist is empty."""
    found = Listing()
    try:
        with _opened(str(root), FOLDER) as folder:
            _list(folder, root, PurePath(), found)
    except FileNotFoundError:
        pass
    found.files.sort(key=lambda file: (file.changed_ns, file.path))
    return found


def read_file_in(root: Path, path: str, size_limit: int) -> bytes:
    """The bytes of a file of the folder of feeds, by its relative path.

    Each folder on the way is opened by itself and must be no link, so that none can be put there in the meantime.
    Raises FeedRefusedError, as `files.read_file` does.
    """
    *folders, name = PurePath(path).parts
    opened = os.open(root, FOLDER | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, FOLDER | NO_LINK, dir_fd=opened)
            os.close(opened)
            opened = inner
        with _opened(name, FILE, opened) as file:
            return read_open_file(
                file, str(root / path), size_limit, lambda: os.stat(name, dir_fd=opened, follow_symlinks=False)
            )
    except OSError as error:
        raise FeedRefusedError(_unreadable(root / path, error)) from None
    finally:
        os.close(opened)


def _list(folder: int, root: Path, inside: PurePath, found: Listing) -> None:
    """List one folder, which is open, and the folders in it."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        path = inside / name
        if name.startswith(".") or name.endswith(".part"):
            continue
        if not is_utf8(name):
            found.problems.append(f"{as_text(root / path)} {NOT_UTF8}")
            continue
        try:
            _add(folder, root, path, found)
        except FileNotFoundError:
            continue  # gone since it was listed
        except OSError as error:
            found.problems.append(_unreadable(root / path, error))


def _add(folder: int, root: Path, path: PurePath, found: Listing) -> None:
    status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        found.problems.append(f"{root / path} is a link, and no link is followed. Put the file itself there.")
    elif not stat.S_ISDIR(status.st_mode):
        found.files.append(FoundFile(str(path), status.st_size, status.st_ctime_ns))
    elif len(path.parts) < DEPTH:
        with _opened(path.name, FOLDER | NO_LINK, folder) as inner:
            _list(inner, root, path, found)
    else:
        found.warnings.append(f"{root / path} is a folder beside feeds: it is ignored, with all that is in it.")


@contextmanager
def _opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    opened = os.open(name, flags, dir_fd=folder)
    try:
        yield opened
    finally:
        os.close(opened)


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror}. Mend it, or take it away."
