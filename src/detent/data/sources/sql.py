"""The rows of a SELECT, from any database that SQLAlchemy knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from detent.data.sources.protocol import Reading, refused, unreachable
from detent.errors import DataError, DetentError, MissingExtraError, Place
from detent.project.environment import Secret, read_secret
from detent.records.project import Source

_ORDERED = re.compile(r"\border\s+by\b(?!.*\))", re.IGNORECASE | re.DOTALL)  # not inside brackets


def open_reader(source: Source) -> Query:
    """Return the reader of an SQL source; its URL is in the environment variable that `connection` names.

    Raises:
        DataError: the variable is not set, or holds no SQLAlchemy URL.
        MissingExtraError: the database's driver is not installed.
    """
    name = source.connection or ""
    secret = read_secret(name)
    if secret is None:
        fix = f"set it to an SQLAlchemy URL, such as {name}=postgresql+psycopg://user:password@host/database"
        raise refused(source, f"the environment variable {name} is not set", fix, "connection")
    try:
        engine = sqlalchemy.create_engine(secret.reveal(), poolclass=sqlalchemy.NullPool)
    except ArgumentError as error:
        fix = "write dialect+driver://user:password@host/database"
        raise refused(source, f"{name} holds no SQLAlchemy URL", fix, "connection") from error
    except ImportError as error:
        raise MissingExtraError(
            what=f"dataset `{source.name}` needs a database driver that is not installed",
            why=str(error).splitlines()[0],
            fix="install it, for example `pip install 'psycopg[binary]'` for postgresql+psycopg://",
            where=Place(file="detent.yaml", line=source.line, field=f"data.{source.name}.connection"),
        ) from error
    return Query(source, engine, secret)


class Query:
    """One SELECT. A database has no version of its own: `ttl` or `probe` says when to read."""

    def __init__(self, source: Source, engine: sqlalchemy.Engine, secret: Secret) -> None:
        self._source, self._engine, self._secret = source, engine, secret

    def version(self) -> str:
        """A query says nothing of itself."""
        return ""

    def read(self) -> Reading:
        """Run the SELECT. Rows without an ORDER BY come in any order, so they are put into one."""
        query = self._source.sql or ""
        with self._connected() as connection:
            frame = pl.read_database(query, connection=connection, infer_schema_length=None)
        frame = _plain(frame)
        if not _ORDERED.search(query):
            frame = _ordered(frame, self._source)
        return Reading(content=frame, version="")

    def ask(self, question: str) -> object:
        """Return the first row of a SELECT."""
        with self._connected() as connection:
            row = connection.execute(sqlalchemy.text(question)).first()
        return None if row is None else list(row)

    @contextmanager
    def _connected(self) -> Iterator[sqlalchemy.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DetentError:
            raise
        except (SQLAlchemyError, pl.exceptions.PolarsError) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> DataError:
        why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        why = why.replace(self._secret.reveal(), "********")
        password = self._engine.url.password
        why = why.replace(str(password), "********") if password else why
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        # SQLite says "no such table" by the same class that other drivers use for a lost connection.
        down = isinstance(error, (OperationalError, InterfaceError)) and self._engine.dialect.name != "sqlite"
        if lost or down:
            return unreachable(self._source, why)
        return refused(self._source, why, "mend the SELECT, or your rights in the database", "sql")


def _ordered(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Sort by time, key and then everything else, so that equal rows give an equal snapshot."""
    first = [name for name in (source.time, source.key) if name in frame.columns]
    names = [name for name in dict.fromkeys([*first, *frame.columns]) if name is not None]
    return frame.sort([name for name in names if not frame.schema[name].is_nested()], nulls_last=True)


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn what only Python can hold (UUIDs, addresses) into text; Parquet has no place for it."""
    odd = [name for name, kind in frame.schema.items() if kind == pl.Object]
    return frame.with_columns(pl.Series(name, [_text(item) for item in frame[name]], dtype=pl.String) for name in odd)


def _text(item: Any) -> str | None:
    return None if item is None else str(item)
