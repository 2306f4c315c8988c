"""Which filesystem a path lies on: SQLite must not live on one that several machines share."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detent.errors import Place, StoreError
from detent.store.refusals import shown

TABLE = Path("/proc/mounts")
# Their locks are advisory, late or missing, and machines don't share the memory that SQLite's WAL mode relies on.
_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "wekafs",
})  # fmt: skip
# Those of FUSE say what they are behind a dot; NTFS, exFAT and the like are local.
_NETWORK_FUSE = frozenset({
    "blobfuse", "blobfuse2", "ceph", "ceph-fuse", "cvmfs2", "curlftpfs", "davfs2", "gcsfuse", "glusterfs", "goofys",
    "httpfs", "juicefs", "moosefs", "mount-s3", "mountpoint-s3", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs",
})  # fmt: skip
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A line of the mount table."""

    source: str  # device, or server and its folder
    point: str  # absolute path
    kind: str  # `ext4`, `nfs4`, `fuse.sshfs`


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Return the mounts of a table as Linux shows it in /proc/mounts; lines that are none are left out."""
    rows = (line.split(" ") for line in text.splitlines())
    return tuple(
        Mount(source=_unescaped(row[0]), point=_unescaped(row[1]), kind=row[2])
        for row in rows
        if len(row) >= 3 and row[1].startswith("/")
    )


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount that an absolute path without links lies on; None when the table does not cover it.

    It is the one with the longest matching point; of several with the same point, the last covers the others.
    """
    found: Mount | None = None
    for mount in mounts:
        point = mount.point.rstrip("/")
        inside = path == point or path.startswith(f"{point}/")
        if inside and (found is None or len(point) >= len(found.point.rstrip("/"))):
            found = mount
    return found


def is_network(kind: str) -> bool:
    """True for filesystems that other machines may write to at the same time."""
    return kind in _NETWORK or (kind.startswith("fuse.") and kind.removeprefix("fuse.") in _NETWORK_FUSE)


def require_local(path: Path, *, table: Path = TABLE) -> None:
    """Refuse a database on a network filesystem. Where there is no mount table (not Linux) nothing is checked.

    Raises:
        StoreError: it lies on one, with what to do instead.
    """
    try:
        text = table.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return
    real = os.path.realpath(path)
    mount = mount_of(real, parse_mounts(text))
    if mount is None or not is_network(mount.kind):
        return
    raise StoreError(
        what="the database can't lie on a network drive",
        why=f"{shown(Path(mount.point))} is {mount.kind} from {mount.source}: SQLite's locks don't hold there, "
        "and two machines that write at once would damage the file",
        fix="move the project to a folder on a local disk, or use PostgreSQL; nothing was opened",
        where=Place(file=shown(Path(real))),
    )


def _unescaped(text: str) -> str:
    """Undo the octal escapes of spaces, tabs, line ends and backslashes."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
