"""An archive of versions in a temporary folder, and blob stores that count or interfere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from detent.data.versions.archive import Archive
from detent.data.versions.checkout import CheckedOut, Checkout, check_out
from detent.data.versions.store import root_of
from detent.data.versions.version import Version
from detent.store.blobs import FolderBlobs
from detent.store.clock import SystemClock
from detent.store.database import open_database
from detent.store.migrate import migrate


class WatchedBlobs(FolderBlobs):
    """A folder of blobs that tells what is stored and read, and may be told to do something in between."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stored: list[object] = []  # items that were given to put_many
        self.opened: list[str] = []  # digests that were read
        self.meanwhile: Callable[[], None] = lambda: None
        self.killed_after: int | None = None  # moved files

    def put_many(self, items: Iterable[Path | bytes], *, move: bool = False) -> list[str]:
        given = list(items)
        if move and self.killed_after is not None:
            super().put_many(given[: self.killed_after], move=True)
            raise KeyboardInterrupt
        self.stored += given
        digests = super().put_many(given, move=move)
        self.meanwhile()
        return digests

    def get(self, digest: str) -> bytes:
        self.opened.append(digest)
        return super().get(digest)


def make_archive(folder: Path, *, settle_seconds: float = 0.0) -> Archive:
    """Make an archive. It trusts files that were written a moment ago, so that no test has to wait."""
    state = folder / ".detent"
    state.mkdir(parents=True)
    db = open_database(state / "detent.db")
    migrate(db, ["detent.store", "detent.data"])
    return Archive(
        db=db,
        blobs=WatchedBlobs(state / "blobs"),
        clock=SystemClock(),
        actor="test",
        folder=folder,
        state=state,
        settle_seconds=settle_seconds,
    )


def watched(archive: Archive) -> WatchedBlobs:
    assert isinstance(archive.blobs, WatchedBlobs)
    return archive.blobs


def checkout(
    archive: Archive, version: Version, target: Path, *, read_only: bool = False, force: bool = False
) -> CheckedOut:
    how = Checkout(
        blobs=archive.blobs,
        memos=archive.memos,
        advance=lambda files, size: None,
        read_only=read_only,
        force=force,
        settle_seconds=archive.settle_seconds,
    )
    return check_out(root_of(version, archive.blobs), target, how)


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def contents(folder: Path) -> dict[str, bytes | str]:
    """Return every file's bytes, every link's target and every folder ("/") by path."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else path.read_bytes()
    return found
