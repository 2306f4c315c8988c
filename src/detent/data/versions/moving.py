"""Files that are given up to the store: a journal, so that a kill in the middle loses none of their names.

The manifest is stored and named in the journal before the first file moves. From then on, whatever is killed, each file
is either in its place or in the store under a digest that the manifest holds.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from detent.data.versions.entries import File, Folder
from detent.data.versions.parallel import Progress, in_chunks, in_order
from detent.data.versions.source import being_written, unreadable
from detent.data.versions.tree import listing, totals
from detent.errors import RefusedError
from detent.store.atomic import write_atomic
from detent.store.blobs import Blobs
from detent.store.canonical import canonical, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move that has begun."""

    place: str  # where the files are, absolute
    dataset: str
    manifest: str  # what was there


def begin(state: Path, move: Move) -> None:
    """Write the journal."""
    write_atomic(_journal(state, move.place), canonical(asdict(move)))


def done(state: Path, move: Move) -> None:
    """Remove the journal: the version is recorded."""
    _journal(state, move.place).unlink(missing_ok=True)


def unfinished(state: Path) -> Iterator[Move]:
    """Yield every move that was cut short; a collection must spare what they name."""
    for path in sorted((state / "data" / "moving").glob("*.json")):
        yield Move(**json.loads(path.read_bytes()))


def pending(state: Path, path: Path, *, move: bool) -> Move | None:
    """Return the move of a path that was cut short, or None.

    Raises:
        RefusedError: there is one and `move` is not wished: what is left in the place is not all of it.
    """
    place = str(path.resolve())
    journal = _journal(state, place)
    if not journal.exists():
        return None
    if not move:
        raise RefusedError(
            what=f"{place} is only a part of itself",
            why="an earlier `detent data add --move` was cut short, and some of its files are in the store already",
            fix=f"finish it with `detent data add --move {place}`, then add again",
        )
    return Move(**json.loads(journal.read_bytes()))


def give_up(place: Path, root: Folder | File, blobs: Blobs, progress: Progress) -> None:
    """Move every file of a tree from its place into the store; what is there already is passed over.

    Raises:
        DataError: a file was edited since it was read, or is neither in its place nor in the store.
    """
    advance = progress("moving", *totals(root))
    files = (
        (place if isinstance(root, File) else place.joinpath(*path), entry)
        for path, entry in listing(root, blobs)
        if isinstance(entry, File)
    )
    with closing(in_order(partial(_give_up, blobs), in_chunks(files))) as chunks:
        for chunk in chunks:
            for size in chunk:
                advance(1, size)


def put_back(place: Path, root: Folder | File, blobs: Blobs) -> None:
    """Write every file back that has left its place: the move can't be finished."""
    for path, entry in listing(root, blobs):
        target = place if isinstance(root, File) else place.joinpath(*path)
        if isinstance(entry, File) and not os.path.lexists(target) and blobs.has(entry.digest):
            blobs.materialise(entry.digest, target)
            target.chmod(0o755 if entry.executable else 0o644)


def _give_up(blobs: Blobs, files: list[tuple[Path, File]]) -> list[int]:
    here = [(path, entry) for path, entry in files if os.path.lexists(path)]
    for path, entry in set(files) - set(here):
        if not blobs.has(entry.digest):
            raise unreadable(str(path), FileNotFoundError(errno.ENOENT, "it is neither there nor in the store"))
    digests = blobs.put_many([path for path, _ in here], move=True)
    for (path, entry), stored in zip(here, digests, strict=True):
        if stored != entry.digest:
            blobs.materialise(stored, path)
            raise being_written(str(path))
    return [entry.size for _, entry in files]


def _journal(state: Path, place: str) -> Path:
    return state / "data" / "moving" / f"{digest(place.encode())[:32]}.json"
