"""What a blob store promises, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What a stored blob looks like from outside: whoever changes or replaces the bytes changes one of these.

    It also changes when a blob is hard-linked or stored again after an hour; then its bytes have to be read again.
    """

    size: int  # bytes
    mtime_ns: int = 0  # nanoseconds of the epoch; 0 where the store has no such time, as for the next two
    ctime_ns: int = 0
    ino: int = 0
    tag: str = ""  # an object store's ETag, or its time of the last change


class Blobs(Protocol):
    """A content-addressed store. Safe for several threads and processes: a blob never changes once it is there.

    Every method raises StoreError when the disk or the object store refuses (full, read-only, denied, gone, silent);
    then nothing half-written is left under a digest, and what was there stays. Objects of this kind can be pickled.
    """

    def put(self, data: bytes) -> str:
        """Store bytes durably and return their digest; storing them again checks and keeps what is there."""
        ...

    def put_file(self, path: Path, *, move: bool = False) -> str:
        """Store a file's bytes, streamed, and return their digest.

        `move`: the file is given up. It is renamed into the store where that is possible, so that no second copy is
        made; other hard links to it then show the stored bytes. A file of which a copy had to be made is removed once
        the blob is durable.

        Raises:
            DataError: it is no regular file, or was written while it was read; it is where it was.
        """
        ...

    def put_many(self, items: Iterable[Path | bytes], *, move: bool = False) -> list[str]:
        """Store many small files or bytes and return their digests in order. All are durable when it returns.

        The disk is waited for a few times, not once per item. After an error some of them may be stored.
        """
        ...

    def get(self, digest: str) -> bytes:
        """Return the bytes; TamperedError when they don't give the digest, StoreError when they are missing."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Return a stream of the bytes, which can be positioned. They are NOT checked."""
        ...

    def path(self, digest: str, *, known: Stat | None = None) -> Path:
        """Return a local file with the bytes, checked. Treat it as read-only.

        A blob that still looks as `known`, its Stat when it was last checked, is not read again.
        """
        ...

    def materialise(self, digest: str, target: Path, *, writable: bool = True, known: Stat | None = None) -> str:
        """Put a file with the checked bytes at `target`, replacing a file that is there; return how it was made.

        `reflink` shares blocks, `hardlink` (only when not `writable`) is the blob itself, `copy` is a copy. The bytes
        are not read when they are shared or linked and the blob still looks as `known`.
        """
        ...

    def has(self, digest: str) -> bool:
        """True when a blob of that name exists (its bytes are not checked)."""
        ...

    def size(self, digest: str) -> int:
        """Return how many bytes it has."""
        ...

    def stat(self, digest: str) -> Stat | None:
        """Return what it looks like from outside, without reading it; None when it is missing."""
        ...

    def unchanged(self, digest: str, stat: Stat) -> bool:
        """True when it is there and still looks like that."""
        ...

    def is_whole(self, digest: str) -> bool:
        """Read the stored bytes, whatever copies there are, and say whether they give the digest.

        Raises:
            StoreError: it is missing, or can't be read.
        """
        ...

    def names(self) -> Iterator[str]:
        """Yield the digest of every blob, in order for a folder, in any order else."""
        ...

    def age(self, digest: str) -> float:
        """Return the seconds since it was stored, to within an hour if it was stored again; never negative."""
        ...

    def delete(self, digest: str) -> None:
        """Remove a blob; nothing happens when it is not there."""
        ...

    def quarantine(self, digest: str) -> None:
        """Move a blob aside: it counts as missing from now on, and its bytes are kept for whoever wants to look."""
        ...

    def quarantined(self) -> Iterator[str]:
        """Yield the digests of blobs that were moved aside, one for each time."""
        ...

    def sweep(self, *, older_than: float) -> int:
        """Remove what writers that were killed left behind more than so many seconds ago; return how many files."""
        ...
