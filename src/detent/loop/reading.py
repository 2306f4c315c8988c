"""Open a project for a command that changes nothing: also where its state may not be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent import project as projects
from detent.bundle.keys import PRIVATE_NAME, PUBLIC_NAME, load_public
from detent.errors import Place, StoreError, TamperedError
from detent.loop.workspace import ROOMS, STATE, Workspace, check_metrics, open_workspace, public_key_at_creation
from detent.project.database import open_state
from detent.project.environment import read_environment
from detent.store.blobs import open_blobs
from detent.store.clock import SystemClock
from detent.store.migrate import is_current, migrate
from detent.store.reading import may_write, open_reading


def only_readable(folder: Path) -> bool:
    """Tell whether the project's state is there and may not be written from here."""
    state = folder.resolve() / STATE
    database = state / "detent.db"
    if read_environment().database is not None:
        return _only_serves(state)
    return database.is_file() and not (may_write(state) and may_write(database))


def _only_serves(state: Path) -> bool:
    """Tell whether the state is that of a host that only serves: it may check what was signed, and sign nothing."""
    return (state / "keys" / PUBLIC_NAME).exists() and not (state / "keys" / PRIVATE_NAME).exists()


def open_to_read(folder: Path) -> Workspace:
    """Open a project like `open_workspace`; where its state may not be written, nothing is, and changes are refused.

    A host that only serves reads the shared database; what it can't sign it does not change.

    Raises:
        ProjectError: `detent.yaml` is wrong.
        StoreError: the state was written by an older release, and can't be brought up to date here.
        TamperedError: the public key is not there, or is not the one that the state was begun with.
    """
    if not only_readable(folder):
        return open_workspace(folder)
    state = folder.resolve() / STATE
    database = state / "detent.db"
    project = projects.load(folder)
    check_metrics(project)
    shared = read_environment().database is not None
    db = open_state(database) if shared else open_reading(database)
    if shared:
        migrate(db, ROOMS)  # as `detent serve` does here
    elif not is_current(db, ROOMS):
        raise StoreError(
            what="this state can't be read without writing to it",
            why="an older release of detent has made it, and its tables must be brought up to date first",
            fix="run any command of this release once where the state may be written, for example `detent status`",
            where=Place(file=str(database)),
        )
    public_key = load_public(state / "keys")
    if public_key.hex() != public_key_at_creation(db):
        raise TamperedError(
            what="the public key here is not the one that this state was begun with",
            why="the first event of the ledger names another key",
            fix=f"restore {state / 'keys'} from a backup",
            where=Place(file=str(state / "keys" / PUBLIC_NAME)),
        )
    return _Reading(
        project=project, state=state, db=db, blobs=open_blobs(str(state / "blobs")), clock=SystemClock(),
        key=Ed25519PrivateKey.generate(), known=public_key, actor=f"cli:{read_environment().user}", shared=shared,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading(Workspace):
    """A project whose private key only its owner may read. `key` is one of no meaning: nothing can be stored here."""

    known: bytes

    @property
    def public_key(self) -> bytes:
        """Key that bundles and verdicts are checked with."""
        return self.known
