"""Lets the one user that runs the server through folders that are closed, by an entry in their access control lists.

When we are root the server runs as another user. To open the folders above its data would open them to everybody.
"""

import errno
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from catalog_pipeline.errors import DatabaseError

# The kernel's format of a list (acl(5), linux/posix_acl_xattr.h): a version, then entries of tag, permissions and id.
ATTRIBUTE, VERSION = "system.posix_acl_access", struct.Struct("<I")
ENTRY = struct.Struct("<HHI")
OWNER, USER, OWNING_GROUP, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF
PASS = 1
"""The permission to pass through a folder; it does not let anybody list it."""


@dataclass
class _List:
    """The access control list of a folder: permissions by tag and id."""

    folder: Path
    entries: dict[tuple[int, int], int]

    @classmethod
    def of(cls, folder: Path) -> "_List":
        """The folder's own list, or the one that its mode stands for."""
        try:
            packed = os.getxattr(folder, ATTRIBUTE)
        except (OSError, AttributeError):  # it has none, or the system knows none
            mode = stat.S_IMODE(folder.stat().st_mode)
            modes = {OWNER: mode >> 6 & 7, OWNING_GROUP: mode >> 3 & 7, OTHERS: mode & 7}
            return cls(folder, {(tag, NOBODY): permissions for tag, permissions in modes.items()})
        return cls(folder, {(tag, who): may for tag, may, who in ENTRY.iter_unpack(packed[VERSION.size :])})

    def lets_pass(self, uid: int, gid: int) -> bool:
        """Whether a user, who is in one group, may pass."""
        found = self.folder.stat()
        mask = self.entries.get((MASK, NOBODY), 7)
        if found.st_uid == uid:
            may = self.entries[OWNER, NOBODY]
        elif (USER, uid) in self.entries:
            may = self.entries[USER, uid] & mask
        elif found.st_gid == gid:
            may = self.entries[OWNING_GROUP, NOBODY] & mask
        elif (GROUP, gid) in self.entries:
            may = self.entries[GROUP, gid] & mask
        else:
            may = self.entries[OTHERS, NOBODY]
        return bool(may & PASS)

    def add(self, uid: int) -> None:
        """Let a user pass. Raises OSError where the file system keeps no such lists."""
        mask = self.entries.get((MASK, NOBODY), self.entries[OWNING_GROUP, NOBODY])
        entries = {**self.entries, (USER, uid): PASS, (MASK, NOBODY): mask | PASS}
        packed = b"".join(ENTRY.pack(tag, entries[tag, who], who) for tag, who in sorted(entries))
        if not hasattr(os, "setxattr"):
            raise OSError(errno.ENOTSUP, "no access control lists")
        os.setxattr(self.folder, ATTRIBUTE, VERSION.pack(2) + packed)


def let_pass(folder: Path, uid: int, gid: int) -> list[Path]:
    """Let a user pass through a folder and all above it, and nobody else; returns the folders that were closed to him.

    Raises DatabaseError where the file system cannot let one user pass.
    """
    changed = []
    for part in (folder, *folder.parents):
        found = _List.of(part)
        if found.lets_pass(uid, gid):
            continue
        try:
            found.add(uid)
        except OSError as error:
            raise DatabaseError(
                f"Postgres does not run as root, and the user {uid} that runs it instead may not pass through {part}"
                f" ({error.strerror}). Be another user than root, set CATALOG_DATABASE_URL to a server of your own, or"
                f" let everybody pass: `chmod o+x {part}`."
            ) from error
        changed.append(part)
    return changed
