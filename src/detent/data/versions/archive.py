"""What the commands do: add a version, tag one; each with its ledger event in one transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from detent.data.versions import moving, store
from detent.data.versions.add import read_source
from detent.data.versions.entries import File, Folder
from detent.data.versions.facts import schema_of
from detent.data.versions.local import LocalSource
from detent.data.versions.parallel import Progress, silent
from detent.data.versions.pointer import write_pointer
from detent.data.versions.remote import RemoteSource
from detent.data.versions.source import Source
from detent.data.versions.tree import load_manifest, store_manifest, totals
from detent.data.versions.version import ADDED, Version
from detent.errors import DataError, StoreError
from detent.records.event import Fact
from detent.store import ledger
from detent.store.blobs import Blobs
from detent.store.clock import Clock, iso
from detent.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where a project's versions are kept."""

    db: Database
    blobs: Blobs
    clock: Clock
    actor: str
    folder: Path  # of the project; pointers go into its `data`
    state: Path  # the project's own folder, for memos and journals
    settle_seconds: float = 2.0  # coarsest time stamp of a file system in use (FAT, some network mounts)

    @property
    def memos(self) -> Path:
        """What files looked like when they were last read."""
        return self.state / "data" / "memos"

    @property
    def scratch(self) -> Path:
        """Where files lie that are on their way into the store."""
        return self.state / "data" / "scratch"

    def pointers(self, source: str = "") -> Path:
        """Return where pointer files go: into the project's `data`, but never into the folder that was added."""
        folder = (self.folder / "data").resolve()
        added = None if not source or is_url(source) else Path(source.removeprefix("file://")).resolve()
        return added.parent if added is not None and folder.is_relative_to(added) else folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What adding did."""

    version: Version
    new: bool  # False: the contents are those of the newest version, so nothing was recorded
    read_files: int  # files whose bytes were read
    read_bytes: int
    pointer: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to add."""

    name: str | None = None  # None: the last part of the path or URL, without its ending
    message: str = ""
    move: bool = False  # the files are given up: renamed into the store where the file system allows
    rehash: bool = False  # read every file, whatever is known about it


def add_version(archive: Archive, place: str, wish: Wish, *, progress: Progress = silent) -> Added:
    """Store a folder, a file or what a URL holds as the newest version of a dataset.

    Raises:
        DataError: nothing is there, a file can't be read or versioned, or is edited meanwhile; nothing was recorded.
        StoreError: the store can't be written.
    """
    unfinished = None if is_url(place) else moving.pending(archive.state, Path(place), move=wish.move)
    if unfinished is not None:
        return _finish_move(archive, unfinished, wish, progress)
    name = store.check_name(wish.name or default_name(place))
    source = open_source(archive, place, move=wish.move)
    survey = source.survey()
    head = store.newest(archive.db, name)
    before = None if head is None else _root(head, archive.blobs)
    read = read_source(
        source,
        archive.blobs,
        memos=archive.memos,
        head=before,
        advance=progress("reading", survey.files, survey.bytes),
        rehash=wish.rehash,
        settle_seconds=archive.settle_seconds,
    )
    id = store_manifest(read.root, archive.blobs)
    if wish.move:
        move = moving.Move(place=source.place, dataset=name, manifest=id)
        moving.begin(archive.state, move)
        return _finish_move(archive, move, wish, progress)
    version, new = keep_version(archive, read.root, dataset=name, message=wish.message, source=place, kind="data.added")
    pointer = write_pointer(archive.pointers(place), version)
    return Added(version=version, new=new, read_files=read.read_files, read_bytes=read.read_bytes, pointer=pointer)


def keep_version(
    archive: Archive, root: Folder | File, *, dataset: str, message: str, source: str, kind: str
) -> tuple[Version, bool]:
    """Record a stored tree as the newest version of a dataset, with the ledger event `kind`; say if it is new."""
    id = store_manifest(root, archive.blobs)
    head = store.newest(archive.db, dataset)
    if head is not None and head.id == id:
        return head, False
    before = None if head is None else _root(head, archive.blobs)
    known = None if before is None or head is None else (before, head.schema)
    files, size = totals(root)
    version = Version(
        dataset=dataset,
        id=id,
        kind=ADDED,
        parent=None,
        created="",
        author=archive.actor,
        message=message,
        source=source,
        files=files,
        bytes=size,
        schema=schema_of(root, archive.blobs, before=known),
    )
    with archive.db.transaction() as tx:
        # The time is taken here, where one comes after the other: of two adds at once, parents are older than children.
        version, new = store.commit(tx, replace(version, created=iso(archive.clock.now())))
        if new:
            fact = Fact(
                kind=kind,
                subject=f"data:{dataset}",
                actor=archive.actor,
                payload={"version": id, "parent": version.parent, "files": files, "bytes": size, "message": message},
                observed={"source": source},
            )
            ledger.append(tx, fact, archive.clock.now())
    return version, new


def tag_version(archive: Archive, version: Version, tag: str) -> str | None:
    """Point a tag to a version, with its ledger event, and return the id that it pointed to before.

    Raises:
        RefusedError: the tag's name could be mistaken for a version.
    """
    return _move_tag(archive, version.dataset, tag, version.id)


def untag(archive: Archive, dataset: str, tag: str) -> str | None:
    """Take a tag away, with its ledger event, and return the id that it pointed to.

    Raises:
        RefusedError: there is no such tag.
    """
    return _move_tag(archive, dataset, tag, None)


def open_source(archive: Archive, place: str, *, move: bool = False) -> Source:
    """Return the source that a path or URL means."""
    if is_url(place):
        if move:
            raise StoreError(
                what=f"{place} can't be moved",
                why="only files of this machine can be renamed into the store",
                fix="add it without --move",
            )
        return RemoteSource(place, archive.blobs, scratch=archive.scratch)
    path = Path(place.removeprefix("file://"))
    return LocalSource(path, archive.blobs, state=archive.state, store=not move)


def is_url(place: str) -> bool:
    """True when a place is not a path of this machine."""
    return "://" in place and not place.startswith("file://")


def default_name(place: str) -> str:
    """Return the dataset's name that a path or URL suggests: its last part, without the ending of a file."""
    last = re.split(r"[?#]", place)[0].rstrip("/").rpartition("/")[2] if "://" in place else Path(place).resolve().name
    stem = last.partition(".")[0] if "." in last[1:] and not Path(place).is_dir() else last
    return stem or last


def _move_tag(archive: Archive, dataset: str, tag: str, id: str | None) -> str | None:
    now = archive.clock.now()
    with archive.db.transaction() as tx:
        before = store.set_tag(tx, dataset, tag, version=id, actor=archive.actor, now=now)
        if before != id:
            payload = {"tag": tag, "version": id, "before": before}
            ledger.append(
                tx, Fact(kind="data.tagged", subject=f"data:{dataset}", actor=archive.actor, payload=payload), now
            )
    return before


def _root(version: Version, blobs: Blobs) -> Folder | File | None:
    """Return what a version holds, or None when it was collected."""
    return store.root_of(version, blobs) if version.kind != ADDED or blobs.has(version.id) else None


def _finish_move(archive: Archive, move: moving.Move, wish: Wish, progress: Progress) -> Added:
    root = load_manifest(move.manifest, archive.blobs)
    try:
        moving.give_up(Path(move.place), root, archive.blobs, progress)
    except DataError:
        moving.put_back(Path(move.place), root, archive.blobs)
        moving.done(archive.state, move)
        raise
    version, new = keep_version(
        archive, root, dataset=move.dataset, message=wish.message, source=move.place, kind="data.added"
    )
    pointer = write_pointer(archive.pointers(move.place), version)
    moving.done(archive.state, move)
    files, size = totals(root)
    return Added(version=version, new=new, read_files=files, read_bytes=size, pointer=pointer)
