"""A blob's file -> a file of the user's: sharing blocks, linked or copied."""

from __future__ import annotations

import os
from pathlib import Path

from detent.store.atomic import open_new, unique_name
from detent.store.blobs.naming import damaged
from detent.store.blobs.shelf import MODE
from detent.store.copying import copy_hashed, hash_descriptor, reflink
from detent.store.refusals import explained, shown


def share_blob(source: int, place: Path, target: Path, *, digest: str, writable: bool, trusted: bool) -> str:
    """Put the bytes of a blob's open file at `target`, replacing a file there, and return how.

    Raises:
        TamperedError: the bytes don't give the digest. They are not read when they are `trusted` and not copied.
        StoreError: `target` can't be written; what was there is as it was.
    """
    temporary = target.with_name(unique_name())
    with explained(f"{shown(Path(target.name))} can't be written", target, kept="what was there is as it was"):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            used, whole = _make(source, place, temporary, digest, writable=writable, trusted=trusted)
            if not whole:
                raise damaged(digest, str(place))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)  # also after a rename onto another link to the same file: it does nothing
    return used


def _make(source: int, place: Path, temporary: Path, digest: str, *, writable: bool, trusted: bool) -> tuple[str, bool]:
    """Make a new file with the blob's bytes; return how, and whether they give the digest."""
    descriptor = open_new(temporary, mode=0o666 if writable else MODE)  # less what the umask takes away
    try:
        if reflink(source, descriptor):
            return "reflink", trusted or hash_descriptor(descriptor) == digest
        if not writable and _link(source, place, temporary):
            return "hardlink", trusted or hash_descriptor(source) == digest
        return "copy", copy_hashed(source, descriptor) == digest
    finally:
        os.close(descriptor)


def _link(source: int, place: Path, temporary: Path) -> bool:
    """Make another name for the blob; False where that is not possible (two disks, too many names, rules)."""
    if os.fstat(source).st_mode & 0o222:
        os.fchmod(source, MODE)  # else whoever opens the link could write into the store
    second = temporary.with_name(unique_name())
    try:
        second.hardlink_to(place)
    except OSError:
        return False
    second.replace(temporary)
    return True
