"""A version of a dataset: one row of its history."""

from __future__ import annotations

from dataclasses import dataclass

ADDED, CUT = "added", "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a version holds when all its files are parts of one table."""

    rows: int
    columns: tuple[tuple[str, str], ...]  # (name, Polars type), in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable state of a dataset. Two versions with the same contents share their id."""

    dataset: str
    id: str  # digest of the manifest (of files, or of a cut table's parts)
    kind: str  # added | cut: by `detent data`, or by a run that cut a declared table at a moment
    parent: str | None  # id of the version before; None for the first
    created: str  # ISO time
    author: str  # "cli:<login>"; "" for a cut
    message: str
    source: str  # path or URL it came from
    files: int
    bytes: int
    schema: Schema | None  # None: not one table
    as_of: str | None = None  # ISO time of a cut: only rows known by then are inside
    parts: tuple[tuple[str, int, int], ...] = ()  # of a cut: (digest, rows, bytes)

    def __str__(self) -> str:
        return f"{self.dataset}@{self.id[:12]}"
