"""Statements with `:name` as PostgreSQL takes them, and how numbers go there and back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import Dumper, Loader

_PARAMETER = re.compile(r"""--[^\n]*|'(?:[^']|'')*'|"(?:[^"]|"")*"|:([a-z_]\w*)""")


@lru_cache(maxsize=4096)
def positional(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with `$1`, `$2` instead of `:name`, and the names in that order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PARAMETER.sub(number, sql).encode(), tuple(names)


class Plain(Dumper):
    """A number as a literal without a type: the statement says what it is. SQLite has no booleans, so they are 0, 1."""

    oid = 0

    def dump(self, obj: Any) -> bytes:
        """Return the literal."""
        return (str(int(obj)) if isinstance(obj, int) else repr(float(obj))).encode()


class Number(Loader):
    """What PostgreSQL calculates with more digits (a sum of integers) is a plain number again."""

    def load(self, data: Any) -> int | float:
        """Return an int for what has no fraction."""
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def adapt(connection: psycopg.Connection[Any]) -> None:
    """Have a connection's numbers written and read like SQLite's."""
    for kind in (bool, int, float):
        connection.adapters.register_dumper(kind, Plain)
    connection.adapters.register_loader("numeric", Number)
