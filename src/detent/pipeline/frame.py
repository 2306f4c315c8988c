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
    kind = type(value)
    if kind in _SCALARS:
        tag, write = _SCALARS[kind]
        body = write(value)
    elif kind in _CONTAINERS:
        tag, gather = _CONTAINERS[kind]
        body = gather(value, name)
    else:
        raise _unframed(kind, name)
    return tag + struct.pack(">Q", len(body)) + body


def _unframed(kind: type, name: str) -> ProjectError:
    full = f"{kind.__module__}.{kind.__qualname__}"
    return ProjectError(
        what=f"`{name}` can't be a parameter of a step",
        why=f"its type is {full}, and nobody can say when two of these are equal",
        fix="pass plain values (numbers, texts, lists, dicts, dates), or make it inside a step"
        + ("; `.item()` turns a NumPy number into a plain one" if full.startswith("numpy.") else ""),
    )


def _float(value: float) -> bytes:
    # Every NaN is the same parameter, whatever its bits; 0.0 and -0.0 are not.
    return b"nan" if math.isnan(value) else struct.pack(">d", value)


def _datetime(value: datetime) -> bytes:
    if value.tzinfo is None:
        return b"naive" + value.isoformat(timespec="microseconds").encode()
    # The moment and the offset: code may print local time.
    return f"{value.astimezone(UTC).isoformat(timespec='microseconds')} {value.utcoffset()}".encode()


def _ordered(values: Any, name: str) -> bytes:
    return b"".join(_frame(item, name) for item in values)


def _unordered(values: Any, name: str) -> bytes:
    return b"".join(sorted(_frame(item, name) for item in values))


def _mapping(value: dict[object, object], name: str) -> bytes:
    return b"".join(sorted(_frame(key, name) + _frame(item, f"{name}.{key}") for key, item in value.items()))


_SCALARS: dict[type, tuple[bytes, Callable[[Any], bytes]]] = {
    type(None): (b"N", lambda _: b""),
    bool: (b"B", lambda value: b"1" if value else b"0"),
    int: (b"I", lambda value: str(value).encode()),
    float: (b"F", _float),
    str: (b"S", lambda value: value.encode("utf-8", "surrogatepass")),
    bytes: (b"Y", bytes),
    datetime: (b"d", _datetime),
    date: (b"D", lambda value: value.isoformat().encode()),
    timedelta: (b"t", lambda value: str(value // timedelta(microseconds=1)).encode()),
    Decimal: (b"C", lambda value: str(value).encode()),
    Digest: (b"#", lambda value: value.hex.encode()),
}
_CONTAINERS: dict[type, tuple[bytes, Callable[[Any, str], bytes]]] = {
    list: (b"L", _ordered),
    tuple: (b"T", _ordered),
    dict: (b"M", _mapping),
    set: (b"E", _unordered),
    frozenset: (b"Z", _unordered),
}
