"""What every kind of source outside can do, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from detent.data.place import place_of
from detent.errors import DataError
from detent.records.project import Source

if TYPE_CHECKING:
    import polars as pl


class UnreachableError(DataError):
    """A source does not answer, breaks off, or changes while it is read: trying later may help."""

    code = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Rows, and what the source said of itself when it gave them."""

    content: bytes | pl.DataFrame  # bytes of Parquet or CSV, or rows
    version: str  # "" when it says nothing


class Reader(Protocol):
    """One source outside. A reader is used by one thread and keeps nothing between calls."""

    def version(self) -> str:
        """Return what the source says of itself, without its rows.

        Raises:
            UnreachableError: it does not answer.
            DataError: it says nothing, or nothing is there.
        """
        ...

    def read(self) -> Reading:
        """Return the rows with the version that they, and no other rows, have.

        Raises:
            UnreachableError: it does not answer, broke off, or changed meanwhile.
            DataError: nothing is there, it is refused, or it is no table.
        """
        ...

    def ask(self, question: str) -> object:
        """Return the first row of a SELECT. Only databases can be asked; others raise DataError."""
        ...


def unreachable(source: Source, why: str) -> UnreachableError:
    """Build the error for a source that does not answer."""
    return UnreachableError(
        what=f"dataset `{source.name}` can't be reached",
        why=f"{source.source}: {why}",
        fix="try again later; with `or last` behind `changes` the rows that were read last are used meanwhile",
        where=place_of(source, "changes"),
    )


def refused(source: Source, why: str, fix: str, key: str = "source") -> DataError:
    """Build the error for a source that answers, and not with rows."""
    return DataError(
        what=f"dataset `{source.name}` can't be read", why=f"{source.source}: {why}", fix=fix,
        where=place_of(source, key),
    )  # fmt: skip


def absent(source: Source) -> DataError:
    """Build the error for a URL with nothing behind it."""
    return DataError(
        what=f"dataset `{source.name}` is missing",
        why=f"nothing is at {source.source}",
        fix="put the data there, or correct the URL",
        where=place_of(source),
    )


def silent(source: Source) -> DataError:
    """Build the error for a server that says nothing by which a change could be noticed."""
    return refused(
        source,
        "the server gives neither an ETag nor a time of change, so nobody would notice a new version",
        "declare `changes: ttl 6h` or `changes: probe file.py:function`",
        "changes",
    )


def only_databases(source: Source) -> DataError:
    """Build the error for a SELECT that is asked of a file."""
    return refused(source, "only a database can be asked a SELECT", "write `probe file.py:function`", "changes")
