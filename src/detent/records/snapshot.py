"""An immutable, named version of a dataset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One content-addressed file of a snapshot."""

    digest: str  # sha256 of the bytes; also its name in the blob store
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A manifest of parts. Its id is the digest of the manifest, so the same data has the same id."""

    id: str
    dataset: str
    parts: tuple[Part, ...]
    schema: tuple[tuple[str, str], ...]  # (column, Polars dtype), in order
    rows: int
    source: str  # where the bytes came from, as declared
    as_of: str | None  # ISO time: only rows known by then are inside; None: no cut
