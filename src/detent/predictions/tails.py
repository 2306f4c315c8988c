"""What was already decoded of segments that still grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from detent.predictions.frames import to_frame
from detent.store.segments import read_frames


@dataclass(slots=True)
class _Tail:
    offset: int = 0  # bytes decoded
    frames: list[pl.DataFrame] = field(default_factory=list)


class Tails:
    """Remembers decoded rows per segment, so that a reader that comes again decodes only what is new.

    Keep one per reading process or thread; it holds the rows of segments that are not yet in Parquet in memory.
    """

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}

    def frames(
        self, folder: Path, *, include_open: bool, since: datetime | None, until: datetime | None
    ) -> list[pl.DataFrame]:
        """Return tables of all rows in the folder's segments that may lie in the window."""
        paths = [path for path in sorted(folder.glob("*")) if path.suffix in (".sealed", ".open")]
        present = {path.stem for path in paths}
        for gone in self._tails.keys() - present:
            del self._tails[gone]
        found: list[pl.DataFrame] = []
        for path in paths:
            if path.suffix == ".sealed" or include_open:
                found += [frame for frame in self._tail(path).frames if _touches(frame, since, until)]
        return found

    def _tail(self, path: Path) -> _Tail:
        tail = self._tails.setdefault(path.stem, _Tail())
        payloads, offset = [], tail.offset
        try:
            frames = list(read_frames(path, start=offset))
        except FileNotFoundError:  # finished since the folder was listed, perhaps already in Parquet
            try:
                frames = list(read_frames(path.with_suffix(".sealed"), start=offset))
            except FileNotFoundError:
                return _Tail()
        for payload, end in frames:
            payloads.append(payload)
            offset = end
        if payloads:
            tail.frames.append(to_frame(payloads))
            tail.offset = offset
        if len(tail.frames) > 64:
            tail.frames = [pl.concat(tail.frames)]
        return tail


def _touches(frame: pl.DataFrame, since: datetime | None, until: datetime | None) -> bool:
    first, last = frame["time"].min(), frame["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return (since is None or last >= since) and (until is None or first < until)
