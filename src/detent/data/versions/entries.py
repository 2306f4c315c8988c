"""What stands in a manifest: files, folders and links, and their JSON form.

An entry is a JSON array that begins with its name and a mode as git writes it:

    [name, "100644" | "100755", size, sha256, media type]     a file; 755: executable
    [name, "120000", target]                                  a link that stays inside the dataset
    [name, "040000", files, bytes, sha256 of a node]          a folder
    [name, "040000", files, bytes, [entry, ...]]              a small folder, written where it stands
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detent.errors import TamperedError

FILE, EXECUTABLE, LINK, FOLDER = "100644", "100755", "120000", "040000"

# By file name ending. Not the standard library's `mimetypes`: that reads tables of the machine, and an entry's bytes
# must be the same everywhere.
_MEDIA = {
    "arrow": "application/vnd.apache.arrow.file",
    "avro": "application/avro",
    "bmp": "image/bmp",
    "csv": "text/csv",
    "flac": "audio/flac",
    "gif": "image/gif",
    "gz": "application/gzip",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "npy": "application/x-npy",
    "npz": "application/x-npz",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "pq": "application/vnd.apache.parquet",
    "safetensors": "application/x-safetensors",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webp": "image/webp",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}
PARQUET, CSV = _MEDIA["parquet"], _MEDIA["csv"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file: its bytes by digest, and whether it may be run."""

    name: str
    size: int  # bytes
    digest: str  # sha256 of the bytes; also the blob's name
    executable: bool = False

    @property
    def media(self) -> str:
        """The media type, told from the name; "" when the ending says nothing."""
        return media_type(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link to a place inside the dataset."""

    name: str
    target: str  # relative to the link's own folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder. `ref` is the digest of its node, or the entries themselves when they are few."""

    name: str  # "" for the root
    files: int  # files below it, at any depth
    bytes: int  # their sizes added up
    ref: str | tuple[Entry, ...]


Entry = File | Link | Folder


def media_type(name: str) -> str:
    """Return the media type that a file name's ending stands for, or ""."""
    return _MEDIA.get(name.rpartition(".")[2].lower(), "") if "." in name else ""


def write(entry: Entry) -> list[Any]:
    """Return an entry as JSON."""
    if isinstance(entry, File):
        return [entry.name, EXECUTABLE if entry.executable else FILE, entry.size, entry.digest, entry.media]
    if isinstance(entry, Link):
        return [entry.name, LINK, entry.target]
    ref = entry.ref if isinstance(entry.ref, str) else [write(child) for child in entry.ref]
    return [entry.name, FOLDER, entry.files, entry.bytes, ref]


def read(plain: Sequence[Any], depth: int, *, root: bool = False) -> Entry:
    """Return the entry that `write` wrote; `depth` counts the folders above it (0: it stands in the root).

    A manifest may come from a shared store, so nothing in it is trusted: a name is one part of a path, and a link stays
    inside the dataset.

    Raises:
        TamperedError: it is no entry, or its name or target would lead out of the dataset.
    """
    try:
        name, mode = plain[0], plain[1]
        if not (root and name == "") and not is_name(name):
            raise ValueError(f"`{name}` is no file name")
        if mode in (FILE, EXECUTABLE):
            return File(name=name, size=int(plain[2]), digest=str(plain[3]), executable=mode == EXECUTABLE)
        if mode == LINK:
            if not stays_inside(plain[2], depth):
                raise ValueError(f"the link `{name}` leads to {plain[2]!r}, out of the dataset")
            return Link(name=name, target=plain[2])
        if mode == FOLDER:
            below = depth if root else depth + 1
            ref = plain[4] if isinstance(plain[4], str) else tuple(read(child, below) for child in plain[4])
            return Folder(name=name, files=int(plain[2]), bytes=int(plain[3]), ref=ref)
        raise ValueError(f"`{mode}` is no mode")
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise TamperedError(
            what="a manifest holds something that is no entry",
            why=str(error),
            fix="take the version from a backup, or add the data again",
        ) from error


def is_name(name: object) -> bool:
    """True for one part of a path: text that is not empty, no dots alone, no slash, no zero byte."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\0" not in name


def stays_inside(target: object, depth: int) -> bool:
    """True when a link in a folder `depth` below the root can't lead out of the dataset.

    Upward steps are allowed at the beginning only: behind a name, `..` leaves the folder that the name leads to, which
    may be another link's, so counting steps would prove nothing. For the same reason a link may go up no further than
    the root.
    """
    if not isinstance(target, str) or not target or target.startswith("/") or "\0" in target:
        return False
    up = 0
    parts = target.split("/")
    while up < len(parts) and parts[up] == "..":
        up += 1
    return up <= depth and posixpath.normpath(target) == target and ".." not in parts[up:]
