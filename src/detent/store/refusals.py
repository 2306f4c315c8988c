"""What the operating system's refusals mean, and how a user mends each of them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from detent.errors import Place, StoreError

_SAYS = "the operating system says: "
_MENDING = {
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space, or have your quota raised",
    errno.EFBIG: "free some disk space, or raise the limit on the size of files (`ulimit -f`)",
    errno.EROFS: "the disk is mounted read-only: mount it for writing, or use another folder",
    errno.EACCES: "mend the folder's permissions, or run as the user it belongs to",
    errno.EPERM: "mend the folder's permissions, or run as the user it belongs to",
    errno.EMFILE: "raise the limit on open files (`ulimit -n 65536`), or do fewer things at once",
    errno.ENFILE: "end some programs: the whole machine has too many open files",
    errno.ENOENT: "the folder was removed or never made: restore it, or begin with a new one",
    errno.ENOTDIR: "a file stands where a folder has to be: move it away",
    errno.EEXIST: "a file stands where a folder has to be: move it away",
    errno.EISDIR: "a folder stands where a file has to be: move it away",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.EIO: "the disk or the network drive fails: look at the system's log, and restore from a backup",
    errno.ESTALE: "the network drive lost the file: mount it again",
    errno.ETIMEDOUT: "the network drive does not answer: look at the connection",
}


def refusal(error: OSError, *, what: str, path: Path, kept: str) -> StoreError:
    """Return the error for a refused operation: `what` failed at `path`, and `kept` says what is still as it was."""
    mending = _MENDING.get(error.errno or 0, "free some disk space or mend the folder's permissions")
    return StoreError(
        what=what,
        why=f"{_SAYS}{error.strerror or error}",
        fix=f"{mending}; {kept}",
        where=Place(file=shown(path)),
    )


@contextlib.contextmanager
def explained(what: str, path: Path, *, kept: str) -> Iterator[None]:
    """Turn what the operating system refuses inside the block into a StoreError."""
    try:
        yield
    except OSError as error:
        raise refusal(error, what=what, path=path, kept=kept) from error


def shown(path: Path) -> str:
    """Return a path as text that every terminal can print: bytes that are no UTF-8 become `\\xNN`."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
