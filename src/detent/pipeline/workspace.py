"""Where a project's runs happen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from detent.project.database import open_named
from detent.store.blobs import Blobs, FolderBlobs, open_blobs
from detent.store.clock import Clock
from detent.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The places and ports that every run of a project shares."""

    folder: Path  # the project
    state: Path  # logs (`runs/<id>/`) and scratch folders
    blobs: Blobs
    db: Database
    clock: Clock
    blobs_url: str = ""  # where `blobs` is; "" means `blobs` in the state folder
    database: str = ""  # how another process finds `db`; "" means by its file

    @cached_property
    def address(self) -> Address:
        """How another process finds it."""
        return Address(
            folder=str(self.folder.resolve()),
            state=str(self.state.resolve()),
            database=self.database or str(self.db.path.resolve()),
            blobs=self.blobs_url or str((self.state / "blobs").resolve()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A workspace as texts, which can be sent to other processes and machines."""

    folder: str
    state: str
    database: str
    blobs: str


def unhurried(workspace: Workspace) -> Workspace:
    """Return it with a blob store that does not wait for the disk: whoever asks for it syncs what was stored."""
    if not isinstance(workspace.blobs, FolderBlobs):
        return workspace
    return replace(workspace, blobs=FolderBlobs(workspace.blobs.folder, durable=False))


def open_address(address: Address, clock: Clock, *, durable: bool = True) -> Workspace:
    """Open a workspace in this process; its database has to be closed again.

    Not `durable`: what is stored in a local folder is not waited for; whoever asked for the work syncs it in the end.

    Raises:
        StoreError: the database or the blob store can't be opened.
    """
    state = Path(address.state)
    opened = Workspace(
        folder=Path(address.folder),
        state=state,
        blobs=open_blobs(address.blobs, cache=state / "cache"),
        db=open_named(address.database, file=state / "detent.db"),
        clock=clock,
        blobs_url=address.blobs,
        database=address.database,
    )
    return opened if durable else unhurried(opened)
