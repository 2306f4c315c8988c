"""What the files of a source looked like when they were last read, so that unchanged ones are not read again.

One text file per source, a line per file in the order of the scan: read as a stream beside the scan, whatever its size.
A line is trusted when the file's token (size, times, inode; or an object's ETag) is the same. A file whose inode
changed within `settle_seconds` before it was read gets no line: it could be edited again within the same tick of the
clock and look the same (git calls such a file racily clean).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from detent.data.versions.tree import Path as Names
from detent.store.atomic import unwritable
from detent.store.canonical import digest

FORMAT = "detent.memo.v1"
T = TypeVar("T")


class Cursor(Generic[T]):
    """Looks up ascending paths in a stream that is sorted the same way: one pass for both."""

    def __init__(self, items: Iterator[tuple[Names, T]]) -> None:
        self._items = items
        self._next = next(items, None)

    def at(self, path: Names) -> T | None:
        """Return what the stream holds at a path; each call's path must follow the one before."""
        while self._next is not None and self._next[0] < path:
            self._next = next(self._items, None)
        return self._next[1] if self._next is not None and self._next[0] == path else None


class Memo:
    """The memo of one source. What is written replaces what was there when `keep` is called, or never."""

    def __init__(self, folder: Path, source: str) -> None:
        self._path = folder / f"{digest(source.encode())[:32]}.jsonl"
        self._new = self._path.with_suffix(".new")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._new.open("w", encoding="utf-8")
        except OSError as error:
            raise unwritable(self._new, error) from error
        self._file.write(json.dumps({"format": FORMAT, "source": source}) + "\n")

    def lines(self) -> Iterator[tuple[Names, tuple[str, str]]]:
        """Yield (path, (token, digest)) as they were written the last time; nothing when the memo is damaged."""
        try:
            with self._path.open(encoding="utf-8") as file:
                if json.loads(file.readline() or "{}").get("format") != FORMAT:
                    return
                for line in file:
                    names, token, name = json.loads(line)
                    yield tuple(names), (token, name)
        except (OSError, ValueError):
            return  # it saves time; without it every file is read

    def remember(self, path: Names, token: str, name: str) -> None:
        """Write down that the file with this token has the bytes `name`."""
        self._file.write(f"{json.dumps([path, token, name])}\n")

    def keep(self) -> None:
        """Put what was remembered in place of the old memo."""
        self._file.close()
        os.replace(self._new, self._path)  # noqa: PTH105  (no sync: a lost memo costs time, not truth)

    def close(self) -> None:
        """Forget what was not kept."""
        self._file.close()
        self._new.unlink(missing_ok=True)
