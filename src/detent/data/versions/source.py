"""Where files come from: what every source can do, and which one a path or URL means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from detent.data.versions.entries import File
from detent.data.versions.tree import Path as Names
from detent.errors import DataError, Place

SHOWN = 5  # refused files that an error lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something a scan met."""

    path: Names
    size: int = 0  # bytes, of a file
    token: str = ""  # changes when the file does; "" when nothing tells
    changed: float = 0.0  # when the file was last changed, seconds of the epoch
    executable: bool = False
    target: str | None = None  # of a link
    folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What there is to add."""

    files: int
    bytes: int


class Source(Protocol):
    """A folder or file, here or far away. `keep` is called from several threads; the rest from one."""

    @property
    def place(self) -> str:
        """Where it is, in full: names the memo."""
        ...

    @property
    def batch(self) -> int:
        """How many small files are best kept at once."""
        ...

    @property
    def single(self) -> bool:
        """True when the source is one file."""
        ...

    def survey(self) -> Survey:
        """Count, and refuse what can't be versioned before anything is stored."""
        ...

    def scan(self) -> Iterator[Found]:
        """Yield everything depth first, each folder sorted by name, a folder before what is in it."""
        ...

    def keep(self, batch: Sequence[Found]) -> list[tuple[File, Found]]:
        """Store the bytes of files; return each one's entry and what it looked like while it was read.

        Raises:
            DataError: one can't be read, or is being written.
        """
        ...


def refused(place: str, problems: Sequence[tuple[str, str]], more: int) -> DataError:
    """Return the error that lists files which can't be versioned, as (path, why)."""
    shown = "; ".join(f"{path!r} {why}" for path, why in problems[:SHOWN])
    left = len(problems) - SHOWN + more
    return DataError(
        what=f"{place} holds something that can't be versioned",
        why=shown + (f"; and {left:,} more" if left > 0 else ""),
        fix="move them out, or replace a link by what it leads to (`cp -L`); nothing was added",
        where=Place(file=place),
    )


def being_written(place: str) -> DataError:
    """Return the error about a file that changed whenever it was read."""
    return DataError(
        what=f"{place} was edited while it was added",
        why="its size or times changed between the beginning and the end of reading it, so half of it may be old",
        fix="wait until its writer is done and add again; what was read already is not read twice",
        where=Place(file=place),
    )


def unreadable(place: str, error: Exception) -> DataError:
    """Return the error about a file or object that can't be read."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(
        what=f"{place} can't be read",
        why=f"the system says: {(text or type(error).__name__).splitlines()[0]}",
        fix="mend its access rights or the connection, or move it out of the folder, and add again",
        where=Place(file=place),
    )
