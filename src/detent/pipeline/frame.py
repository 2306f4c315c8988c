"""Values as bytes in which type, length and nesting show: different values can't give the same bytes.

Concatenating texts would make {"a": 1, "b": 2} and {"a": "1b2"} equal, and `str` would make 1, True and "1" alike.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from detent.errors import ProjectError


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a value that is too large to be written out."""

    hex: str


def framed_digest(value: object, *, name: str = "value") -> str:
    """Return the sha256 (hex) of the framed value; `name` is what an error calls it.

    Raises:
        ProjectError: a part of the value has a type that has no framing.
    """
    return hashlib.sha256(_frame(value, name)).hexdigest()


def _frame(value: object, name: str) -> bytes:
    write = _WRITERS.get(type(value))
    if write is None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ProjectError(
            what=f"`{name}` can't be a parameter of a step",
            why=f"its type is {kind}, and nobody can say when two of these are equal",
            fix="pass plain values (numbers, texts, lists, dicts, dates), or make it inside a step"
            + ("; `.item()` turns a NumPy number into a plain one" if kind.startswith("numpy.") else ""),
        )
    tag, body = write(value, name)
    return tag + struct.pack(">Q", len(body)) + body


def _float(value: float) -> bytes:
    # Every NaN is the same parameter, whatever its bits; 0.0 and -0.0 are not.
    return b"nan" if math.isnan(value) else struct.pack(">d", value)


def _datetime(value: datetime) -> bytes:
    if value.tzinfo is None:
        return b"naive" + value.isoformat(timespec="microseconds").encode()
    # The moment and the offset: code may print local time.
    return f"{value.astimezone(UTC).isoformat(timespec='microseconds')} {value.utcoffset()}".encode()


def _items(values: Any, name: str) -> bytes:
    return b"".join(_frame(item, name) for item in values)


def _mapping(value: dict[object, object], name: str) -> bytes:
    return b"".join(sorted(_frame(key, name) + _frame(item, f"{name}.{key}") for key, item in value.items()))


_WRITERS: dict[type, Callable[[Any, str], tuple[bytes, bytes]]] = {
    type(None): lambda value, name: (b"N", b""),
    bool: lambda value, name: (b"B", b"1" if value else b"0"),
    int: lambda value, name: (b"I", str(value).encode()),
    float: lambda value, name: (b"F", _float(value)),
    str: lambda value, name: (b"S", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value, name: (b"Y", value),
    list: lambda value, name: (b"L", _items(value, name)),
    tuple: lambda value, name: (b"T", _items(value, name)),
    dict: lambda value, name: (b"M", _mapping(value, name)),
    set: lambda value, name: (b"E", b"".join(sorted(_frame(item, name) for item in value))),
    frozenset: lambda value, name: (b"Z", b"".join(sorted(_frame(item, name) for item in value))),
    datetime: lambda value, name: (b"d", _datetime(value)),
    date: lambda value, name: (b"D", value.isoformat().encode()),
    timedelta: lambda value, name: (b"t", str(value // timedelta(microseconds=1)).encode()),
    Decimal: lambda value, name: (b"C", str(value).encode()),
    Digest: lambda value, name: (b"#", value.hex.encode()),
}
