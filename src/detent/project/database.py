"""Which database a project's state lies in: a file in the state folder, or what DETENT_DATABASE_URL names.

The address may hold a password. It is read where a database is opened and is handed to nobody: other processes are told
to look into their own environment.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from detent.errors import MissingExtraError, Place, ProjectError
from detent.project.environment import Secret, read_environment
from detent.store.database import Database, open_database

VARIABLE = "DETENT_DATABASE_URL"
IN_ENVIRONMENT = f"${VARIABLE}"  # instead of a path: the database that the environment names
_POSTGRES, _SQLITE = ("postgresql://", "postgres://"), "sqlite:///"  # followed by an absolute path


def database_of(file: Path) -> str:
    """Return what other processes are told: the state's own file, or that the environment names the database."""
    return str(file) if read_environment().database is None else IN_ENVIRONMENT


def open_named(name: str, *, file: Path) -> Database:
    """Open what `database_of` returned; `file` is where SQLite's file in the state folder is, or would be.

    Raises:
        ProjectError: the environment names no database any more, or in another form than is known.
        MissingExtraError: psycopg is not installed.
        BusyError, StoreError: the database can't be opened. A PostgreSQL is reached by the first statement only.
    """
    if name != IN_ENVIRONMENT:
        return open_database(Path(name))
    address = read_environment().database
    if address is None:
        raise ProjectError(
            what=f"{VARIABLE} is not set",
            why="this process was started for a project whose database it names",
            fix="set it here too; it is never written into a command line or a file",
        )
    return _open(address, file)


def open_state(file: Path) -> Database:
    """Open a state's database: SQLite's `file`, or what the environment names; see `open_named`."""
    return open_named(database_of(file), file=file)


def _open(address: Secret, file: Path) -> Database:
    text = address.reveal()
    if text.startswith(f"{_SQLITE}/"):
        return open_database(Path(text.removeprefix(_SQLITE)))
    if not text.startswith(_POSTGRES):
        raise ProjectError(
            what=f"{VARIABLE} names no database that is known",
            why="it begins with neither postgresql:// nor sqlite:////; it is not shown, for it may hold a password",
            fix="postgresql://user:password@host:5432/name, or sqlite:////absolute/path/detent.db",
            where=Place(file=VARIABLE),
        )
    try:
        postgres = import_module("detent.store.postgres.database")
    except ImportError as error:  # psycopg, or its library libpq
        raise _missing() from error
    return postgres.PostgresDatabase(file, address.reveal)


def _missing() -> MissingExtraError:
    # Looking up extras takes a library that a run in which nothing changed does without.
    return import_module("detent.plugins").missing("psycopg", wanted_by=VARIABLE)
