"""A feed's file to its text: read whole and unchanged, unpacked within limits, and brought to UTF-8."""

import codecs
import gzip
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from catalog_pipeline.errors import FeedRefusedError

MEGABYTE = 1_000_000
GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
OLD_OFFICE = b"\xd0\xcf\x11\xe0"
WORKBOOK_PARTS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
WIDE_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DAMAGED = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError),
    *(struct.error, ValueError, OverflowError),
)
"""What unpacking raises for a .gz or a .zip that is damaged, or packed in a way that Python does not know."""
WORKBOOK = "is a spreadsheet's workbook. Save it as CSV (UTF-8) there, and feed that."


def read_file(path: Path, size_limit: int) -> bytes:
    """The bytes of a regular file of at most `size_limit` bytes, which nobody changed while they were read.

    Raises FeedRefusedError, which names the file, what is wrong, and what to do.
    """
    if not is_utf8(path.name):
        raise FeedRefusedError(f"{as_text(path)} {NOT_UTF8}")
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe would make us wait
        try:
            return read_open_file(opened, str(path), size_limit, path.stat)
        finally:
            os.close(opened)
    except FileNotFoundError:
        raise FeedRefusedError(f"{path} does not exist (any more). Check the name, or put the file back.") from None
    except PermissionError:
        raise FeedRefusedError(f"{path} may not be read by this user. Give read permission and try again.") from None
    except OSError as error:
        raise FeedRefusedError(f"{path} cannot be read: {error.strerror}. Check the name and the disk.") from None


def read_open_file(descriptor: int, name: str, size_limit: int, look: Callable[[], os.stat_result]) -> bytes:
    """As `read_file`, of a file that is open; `look` tells what lies at its path afterwards.

    Raises FeedRefusedError and OSError.
    """
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise FeedRefusedError(f"{name} is a folder or a device. Name one .csv or .json file.")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = file.read(size_limit + 1)
    after = look()
    if len(data) > size_limit:
        raise FeedRefusedError(_too_large(name, size_limit))
    if _identity(before) != _identity(after) or len(data) != after.st_size:
        raise FeedRefusedError(f"{name} was changed while it was read. Try again when it is written to its end.")
    return data


NOT_UTF8 = "has a name that is not UTF-8. Rename it."


def is_utf8(name: str) -> bool:
    """Whether the name of a file can be kept and printed: Python gives the bytes of other names as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(path: Path) -> str:
    """A path as UTF-8 can show it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def unpack(data: bytes, name: str, size_limit: int) -> bytes:
    """The bytes of the feed itself, out of a .gz or a .zip of one file; other bytes as they are.

    The content tells what it is, not the name. Raises FeedRefusedError, also before more than `size_limit` bytes.
    """
    try:
        if data.startswith(GZIP):
            with gzip.open(io.BytesIO(data)) as file:
                return _bounded(file.read(size_limit + 1), name, size_limit)
        if data.startswith((ZIP, EMPTY_ZIP)):
            return _only_member(data, name, size_limit)
    except DAMAGED as error:
        raise FeedRefusedError(f"{name} cannot be unpacked: {error}. Pack it anew, or feed it unpacked.") from None
    return _bounded(data, name, size_limit)


def to_utf8(data: bytes, name: str) -> bytes:
    """The text as UTF-8 without a byte order mark, out of UTF-8, UTF-16, UTF-32 or Windows-1252.

    Raises FeedRefusedError for what is none of these.
    """
    if data.startswith(OLD_OFFICE):
        raise FeedRefusedError(f"{name} {WORKBOOK}")
    encoding = _wide_encoding(data)
    if encoding:
        try:
            return data.decode(encoding).encode()
        except UnicodeError:
            raise FeedRefusedError(f"{name} is not whole {encoding.upper()}. Save it again as UTF-8.") from None
    data = data.removeprefix(UTF8_BYTE_ORDER_MARK)
    broken = _first_not_utf8(data)
    return data if broken is None else _windows_text(data, name, broken).encode()


def _first_not_utf8(data: bytes) -> int | None:
    """Where the text stops being UTF-8. In pieces: as one text, a single emoji would make it four times as large."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), MEGABYTE):
        try:
            decoder.decode(data[start : start + MEGABYTE], final=start + MEGABYTE >= len(data))
        except UnicodeDecodeError as error:
            return start + error.start
    return None


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _too_large(name: str, size_limit: int) -> str:
    return (
        f"{name} is larger than {size_limit / MEGABYTE:,g} MB."
        " Split it, or raise CATALOG_FEED_SIZE_LIMIT if it is meant to be so large."
    )


def _bounded(data: bytes, name: str, size_limit: int) -> bytes:
    if len(data) > size_limit:
        raise FeedRefusedError(_too_large(name, size_limit))
    return data


def _only_member(data: bytes, name: str, size_limit: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if any(part in archive.namelist() for part in WORKBOOK_PARTS):
            raise FeedRefusedError(f"{name} {WORKBOOK}")
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(members) != 1:
            raise FeedRefusedError(f"{name} holds {len(members)} files. Pack exactly one .csv or .json file.")
        with archive.open(members[0]) as file:
            return _bounded(file.read(size_limit + 1), name, size_limit)


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 and UTF-32 by their mark; UTF-16 without one by the NULs that it has between the header's letters."""
    marked = next((encoding for mark, encoding in WIDE_BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)
    if marked or len(data) < 4:
        return marked
    first, second, third, fourth = (byte == 0 for byte in data[:4])
    return {(False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be"}.get(
        (first, second, third, fourth)
    )


def _windows_text(data: bytes, name: str, first_bad: int) -> str:
    """What is not UTF-8, as Windows-1252; unless it is no text, or rather UTF-8 in which some letters are broken."""
    patched = data.decode("utf-8", "replace")
    broken = patched.count("\ufffd")
    whole = len(patched) - broken - len(patched.encode("ascii", "ignore"))
    if whole <= broken:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            raise FeedRefusedError(f"{name} is no text, or in an unknown encoding. Save it as CSV (UTF-8).") from None
    line = data.count(b"\n", 0, first_bad) + 1
    raise FeedRefusedError(f"{name} is UTF-8 with broken letters, first in line {line}. Save it again as UTF-8.")
