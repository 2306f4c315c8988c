"""What was already decoded of the log: segments that still grow, and small files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from detent.predictions.frames import to_frame
from detent.predictions.parts import Parts
from detent.store.segments import OPEN, SEALED, read_frames

SHARED_BYTES = 4 << 20  # of segments, as they lie there: what was decoded of more is not kept for the next reader
_SHARED_LOGS = 4  # of the latest readers
_MANY = 64  # frames of a segment that are joined to one


@dataclass(frozen=True, slots=True)
class _Piece:
    rows: pl.DataFrame
    first: datetime
    last: datetime


@dataclass(slots=True)
class _Tail:
    file: int = 0  # inode: a segment keeps it when it is finished, and another one of its name has another
    offset: int = 0  # bytes decoded
    pieces: list[_Piece] = field(default_factory=list)


class Tails:
    """Remembers decoded rows per segment, so that a reader that comes again decodes only what is new.

    It holds the rows of segments that are not yet in Parquet in memory.

    Args:
        files: hold also those of a few small files that are; not for who reads only once.
    """

    def __init__(self, *, files: bool = True) -> None:
        self._tails: dict[str, _Tail] = {}
        self._parts = Parts() if files else None
        self._kept = False
        self._lock = threading.Lock()

    def frames(
        self, folder: Path, *, include_open: bool, since: datetime | None, until: datetime | None
    ) -> list[pl.DataFrame]:
        """Return tables of all rows in the folder's segments that may lie in the window."""
        with self._lock:
            inside = sorted(folder.iterdir()) if folder.is_dir() else []
            paths = [path for path in inside if path.suffix in (SEALED, OPEN)]
            present = {path.stem for path in paths}
            for gone in self._tails.keys() - present:
                del self._tails[gone]
            wanted = [path for path in paths if path.suffix == SEALED or include_open]
            pieces = [piece for path in wanted for piece in self._tail(path).pieces]
        return [piece.rows for piece in pieces if _touches(piece, since, until)]

    def parts(self, paths: Sequence[Path]) -> tuple[list[pl.DataFrame], list[Path]]:
        """Return the rows of the small ones of some Parquet files, and the large ones; who is gone is left out."""
        if self._parts is None:
            return [], list(paths)
        small, large = list[pl.DataFrame](), list[Path]()
        with self._lock:
            for path in paths:
                try:
                    rows = self._parts.frame(path)
                except FileNotFoundError:  # its day was too old and is being removed
                    continue
                if rows is None:
                    large.append(path)
                else:
                    small.append(rows)
        return small, large

    def keep(self) -> Tails:
        """Never let go of what is not yet in Parquet: somebody comes again and again."""
        self._kept = True
        return self

    def forget_much(self) -> None:
        """Let go of what was decoded of segments if that is a lot, and nobody wants it kept."""
        with self._lock:
            if not self._kept and sum(tail.offset for tail in self._tails.values()) > SHARED_BYTES:
                self._tails.clear()

    def _tail(self, path: Path) -> _Tail:
        known = self._tails.get(path.stem)
        try:
            return self._grown(path, known)
        except FileNotFoundError:  # finished since the folder was listed, perhaps already in Parquet
            try:
                return self._grown(path.with_suffix(SEALED), known)
            except FileNotFoundError:
                return _Tail()

    def _grown(self, path: Path, tail: _Tail | None) -> _Tail:
        """Return what is decoded of a segment after its new frames were added."""
        found = path.stat()
        if tail is None or tail.file != found.st_ino or tail.offset > found.st_size:
            tail = self._tails[path.stem] = _Tail(file=found.st_ino)
        if tail.offset == found.st_size:
            return tail
        frames = list(read_frames(path, start=tail.offset))
        if frames:
            rows = to_frame([payload for payload, _ in frames])
            tail.offset = frames[-1][1]
            if rows.height:
                tail.pieces.append(_piece(rows))
        if len(tail.pieces) > _MANY:
            tail.pieces = [_piece(pl.concat([piece.rows for piece in tail.pieces]))]
        return tail


_LOGS: dict[Path, Tails] = {}
_LOCK = threading.Lock()


def shared(state: Path) -> Tails:
    """Return what the readers of this process decoded of the log in a state folder."""
    with _LOCK:
        found = _LOGS.pop(state, None) or Tails()
        _LOGS[state] = found  # the latest comes last
        if len(_LOGS) > _SHARED_LOGS:
            del _LOGS[next(iter(_LOGS))]
        return found


def kept(state: Path) -> Tails:
    """Return the same for a reader that comes again and again: from now on it is kept, however much it is."""
    return shared(state).keep()


def _piece(rows: pl.DataFrame) -> _Piece:
    first, last = rows["time"].min(), rows["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return _Piece(rows, first, last)


def _touches(piece: _Piece, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or piece.last >= since) and (until is None or piece.first < until)
