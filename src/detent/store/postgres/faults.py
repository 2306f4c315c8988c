"""What PostgreSQL's refusals mean, and how a user mends each of them. No message holds a password."""

from __future__ import annotations

import psycopg
from psycopg import errors

from detent.errors import BusyError, DetentError, Place, StoreError

_LOST = "the connection to the database was lost"


def busy(wait: float, where: Place) -> BusyError:
    """Return the error for a write lock that another process kept for longer than `wait` seconds."""
    return BusyError(
        what="the database is busy",
        why=f"another process holds its write lock for longer than {wait:g} seconds",
        fix="wait for the other `detent` command to end, or end it, and try again",
        where=where,
    )


def unreachable(why: str, where: Place) -> StoreError:
    """Return the error for a server that does not let us in; `why` is what the client library says."""
    if "password" in why or "authentication" in why or "role" in why:
        fix = "give user and password of the database in DETENT_DATABASE_URL (or PGPASSWORD, or a file ~/.pgpass)"
    elif "database" in why and "does not exist" in why:
        fix = "make it: CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    elif "too many clients" in why or "remaining connection slots" in why:
        fix = "raise max_connections of PostgreSQL, or let a connection pool stand in front of it"
    else:
        fix = "start PostgreSQL, or mend host and port in DETENT_DATABASE_URL, and try again"
    return StoreError(what="the database can't be reached", why=why, fix=f"{fix}; nothing was stored", where=where)


def lost(where: Place, *, committing: bool = False) -> StoreError:
    """Return the error for a connection that was cut inside a transaction."""
    if committing:
        return StoreError(
            what=_LOST,
            why="it was cut at the moment of the commit, so nobody here knows whether the change was stored",
            fix="look with `detent log` or `detent status` before you do it again",
            where=where,
        )
    return StoreError(
        what=_LOST,
        why="it was cut inside a transaction; PostgreSQL has undone all of it",
        fix="do it again",
        where=where,
    )


def unfit(why: str, where: Place) -> StoreError:
    """Return the error for a database in which texts sort otherwise than in SQLite, or that holds no Unicode."""
    return StoreError(
        what="this database can't be used",
        why=why,
        fix="make one with: CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        where=where,
    )


def unreadable(where: Place) -> StoreError:
    """Return the error for an address that is none. It may hold a password, so nothing of it is shown."""
    return StoreError(
        what="the address of the database can't be read",
        why="it has another form than postgresql://user:password@host:port/name; it is not shown, for its password",
        fix="mend DETENT_DATABASE_URL; signs such as @ / : % in a password are written as %40 %2F %3A %25",
        where=where,
    )


def explain(error: psycopg.Error, where: Place, *, wait: float) -> DetentError:
    """Return the error that says what to do about what a statement met."""
    text = (error.diag.message_primary or str(error)).strip()
    if isinstance(error, errors.LockNotAvailable):
        return busy(wait, where)
    if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure | errors.QueryCanceled):
        return BusyError(
            what="the database is busy",
            why=f"PostgreSQL says: {text}",
            fix="do it again; if it comes back, look for long statements in pg_stat_activity",
            where=where,
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreError(
            what="the database is read-only",
            why=f"PostgreSQL says: {text}",
            fix="point DETENT_DATABASE_URL at the primary server; nothing was changed",
            where=where,
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreError(
            what="the database refuses this user",
            why=f"PostgreSQL says: {text}",
            fix="let the user of DETENT_DATABASE_URL create and change tables: GRANT ALL ON SCHEMA public TO name",
            where=where,
        )
    if isinstance(error, errors.DiskFull | errors.OutOfMemory | errors.IoError):
        return StoreError(
            what="the database can't be written",
            why=f"PostgreSQL says: {text}",
            fix="free some disk space or memory on its server; nothing of this change was stored",
            where=where,
        )
    return StoreError(
        what="the database refused a statement",
        why=text,
        fix="if its tables were changed by hand, restore a backup; else report this as a bug with the text above",
        where=where,
    )
