"""Look into a zip file from outside before a library unpacks it: bounded in size, and no name that leads elsewhere."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from pathlib import PurePosixPath

from detent.bundle.files import MAX_FILE_BYTES
from detent.errors import Place, RefusedError

MAX_MEMBERS = 10_000
MAX_RATIO = 200  # unpacked bytes per packed byte, beyond the first megabyte; weights and JSON stay far below
_FREE = 1 << 20


def open_archive(data: bytes, file: str) -> zipfile.ZipFile:
    """Return the archive when it is sound; `file` names it in errors.

    Raises:
        RefusedError: no zip file, damaged, encrypted, too many or too large members, a name twice, or a name or link
            that leads out.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _refused(file, f"it is no whole zip file: {error}") from error
    if len(members) > MAX_MEMBERS:
        raise _refused(file, f"it holds {len(members):,} files; {MAX_MEMBERS:,} are the most")
    if len({member.filename for member in members}) != len(members):
        raise _refused(file, "a name stands twice in it, so what is checked might not be what is read")
    total = sum(member.file_size for member in members)
    if total > MAX_FILE_BYTES or total > _FREE + MAX_RATIO * len(data):
        raise _refused(file, f"{len(data):,} bytes would unpack to {total:,}")
    for member in members:
        _check_member(member, file)
    return archive


def read_member(archive: zipfile.ZipFile, name: str, file: str) -> bytes:
    """Return one member's bytes.

    Raises:
        RefusedError: it is not there, or damaged.
    """
    try:
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError, ValueError) as error:
        raise _refused(file, f"`{name[:80]}` in it can't be read: {error}") from error


def _check_member(member: zipfile.ZipInfo, file: str) -> None:
    name, path = member.filename, PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name.split("/")[0]:
        raise _refused(file, f"the name `{name[:80]}` in it leads out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refused(file, f"`{name[:80]}` in it is a link")
    if member.flag_bits & 1:
        raise _refused(file, "it is encrypted")


def _refused(file: str, why: str) -> RefusedError:
    return RefusedError(
        what=f"`{file}` can't be unpacked safely",
        why=why[:300],
        fix="take the file from where it was made, whole",
        where=Place(file=file),
    )
