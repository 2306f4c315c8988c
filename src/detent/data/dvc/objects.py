"""DVC's object stores: bytes named by md5, on any fsspec filesystem."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.spec import AbstractFileSystem

from detent.data.dvc.files import Remote
from detent.data.versions.remote import open_url
from detent.data.versions.source import unreadable
from detent.errors import DataError, Place, TamperedError
from detent.store.blobs import Blobs

PIECE = 1 << 20  # DVC 2 decides for each piece of this size anew whether it is text
WHOLE = 8  # pieces that are held in memory; a larger object passes through a file
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """Where objects may lie, in the order in which they are tried."""

    stores: tuple[tuple[AbstractFileSystem, str], ...]

    def names(self) -> str:
        """Say where was looked."""
        return ", ".join(root for _, root in self.stores)


def open_objects(remotes: Sequence[Remote]) -> Objects:
    """Open the places of objects."""
    return Objects(stores=tuple(_open(remote) for remote in remotes))


def fetch(objects: Objects, md5: str, blobs: Blobs, *, legacy: bool, scratch: Path) -> tuple[str, int]:
    """Store an object's bytes and return (sha256, size); its md5 is checked in the same pass.

    Raises:
        DataError: no place has it.
        TamperedError: its bytes do not give its md5.
    """
    name = md5.removesuffix(".dir")
    suffix = md5[len(name) :]
    current, old = f"files/md5/{name[:2]}/{name[2:]}{suffix}", f"{name[:2]}/{name[2:]}{suffix}"
    for filesystem, root in objects.stores:
        for path in (old, current) if legacy else (current, old):
            try:
                with filesystem.open(f"{root}/{path}", "rb") as stream:
                    return _keep(cast("BinaryIO", stream), md5, f"{root}/{path}", blobs, scratch=scratch)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unreadable(f"{root}/{path}", error) from error
    raise DataError(
        what=f"DVC's object {md5} is nowhere",
        why=f"looked in {objects.names()}, in the layouts of DVC 3 and DVC 2",
        fix="fetch it with `dvc fetch`, or name its remote in .dvc/config",
    )


def _keep(stream: BinaryIO, md5: str, place: str, blobs: Blobs, *, scratch: Path) -> tuple[str, int]:
    plain, unix = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    pieces: list[bytes] = []
    spool: BinaryIO | None = None
    size = 0
    temporary = None
    try:
        while piece := stream.read(PIECE):
            size += len(piece)
            plain.update(piece)
            unix.update(piece.replace(b"\r\n", b"\n") if is_text(piece) else piece)
            pieces.append(piece)
            if len(pieces) > WHOLE:
                if spool is None:
                    scratch.mkdir(parents=True, exist_ok=True)
                    descriptor, temporary = tempfile.mkstemp(dir=scratch, prefix=".dvc.")
                    spool = os.fdopen(descriptor, "wb")
                spool.write(b"".join(pieces))
                pieces = []
        if md5.removesuffix(".dir") not in (plain.hexdigest(), unix.hexdigest()):
            raise _altered(md5, plain.hexdigest(), place)
        if spool is None or temporary is None:
            return blobs.put(b"".join(pieces)), size
        spool.write(b"".join(pieces))
        spool.close()
        return blobs.put_file(Path(temporary), move=True), size
    finally:
        if spool is not None and temporary is not None:
            spool.close()
            Path(temporary).unlink(missing_ok=True)


def is_text(piece: bytes) -> bool:
    """True when DVC takes bytes for text: no zero byte, and at most 30 % unusual ones among the first 512."""
    block = piece[:512]
    if not block or b"\0" in block:
        return not block
    return len(block.translate(None, _TEXT)) / len(block) <= 0.30


def _open(remote: Remote) -> tuple[AbstractFileSystem, str]:
    if "://" not in remote.url:
        return fsspec.filesystem("file"), remote.url.rstrip("/")
    filesystem, root = open_url(remote.url, remote.options)
    return filesystem, root.rstrip("/")


def _altered(md5: str, found: str, place: str) -> TamperedError:
    return TamperedError(
        what=f"DVC's object {md5} was altered",
        why=f"its bytes give the md5 {found}",
        fix="delete it and fetch it again with `dvc fetch`",
        where=Place(file=place),
    )
