"""A project on a host that only serves: no private key, no controller, a database that it shares with others."""

from __future__ import annotations

import socket
from pathlib import Path

from detent import project as projects
from detent.bundle.keys import PRIVATE_NAME, PUBLIC_NAME, load_public
from detent.errors import Place, RefusedError, TamperedError
from detent.loop.workspace import ROOMS, STATE, ServingHost, Workspace, open_workspace, public_key_at_creation
from detent.project.database import open_state
from detent.project.environment import read_environment
from detent.serving.places import prediction_key
from detent.store import ledger
from detent.store.blobs import open_blobs
from detent.store.clock import Clock, SystemClock
from detent.store.migrate import migrate


def open_server(folder: Path) -> Workspace | ServingHost:
    """Open a project where it is served: with the private key, or as a host that only serves."""
    key = folder / STATE / "keys" / PRIVATE_NAME
    return open_workspace(folder) if read_environment().database is None or key.exists() else open_host(folder)


def open_host(folder: Path, *, clock: Clock | None = None) -> ServingHost:
    """Open a project to serve what the shared database says.

    Raises:
        ProjectError: `detent.yaml` is wrong.
        RefusedError: no database is shared, or a file of the first host is not here.
        TamperedError: the public key here is not the one that the project was begun with.
        StoreError: the database can't be reached.
    """
    project = projects.load(folder)
    state = Path(project.folder) / STATE
    if read_environment().database is None:
        raise RefusedError(
            what="there is no database to follow",
            why="a host that only serves learns from a database that it shares with others what to answer with",
            fix="set DETENT_DATABASE_URL; on the only machine of a project use `detent up`",
        )
    _require_files(state)
    db = open_state(state / "detent.db")
    migrate(db, ROOMS)
    public_key = load_public(state / "keys")
    if public_key.hex() != public_key_at_creation(db):
        raise TamperedError(
            what="the public key here is not the one that this project was begun with",
            why="the first event of the ledger names another key, or there is no event yet",
            fix="copy keys/signing.pub from the host of `detent up`, or mend DETENT_DATABASE_URL",
            where=Place(file=str(state / "keys" / PUBLIC_NAME)),
        )
    ledger.remember_newest(db)
    return ServingHost(
        project=project,
        state=state,
        db=db,
        blobs=open_blobs(str(state / "blobs")),
        clock=clock or SystemClock(),
        actor=f"host:{socket.gethostname()}",
        shared=True,
        public_key=public_key,
    )


def _require_files(state: Path) -> None:
    for needed, fix in (
        (state / "keys" / PUBLIC_NAME, "copy it from the host of `detent up`"),
        (prediction_key(state), "copy it from the host of `detent up`, where serving made it, and keep it secret"),
        (state / "blobs", "make it a link to the folder that all hosts share"),
    ):
        if not needed.exists():
            raise RefusedError(
                what=f"{needed.parent.name}/{needed.name} is not on this host",
                why="a host that only serves makes no keys and no blobs of its own",
                fix=fix,
                where=Place(file=str(needed)),
            )
