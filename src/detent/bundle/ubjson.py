"""Read Universal Binary JSON as XGBoost writes it (https://ubjson.org, big-endian), with bounds on everything."""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np

MAX_DEPTH = 32

_INTEGERS = {b"i": Struct(">b"), b"U": Struct(">B"), b"I": Struct(">h"), b"l": Struct(">i"), b"L": Struct(">q")}
_NUMBERS = {**_INTEGERS, b"d": Struct(">f"), b"D": Struct(">d")}
_ARRAYS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_WORDS: dict[bytes, Any] = {b"Z": None, b"T": True, b"F": False}


def decode(data: bytes) -> Any:
    """Return the value as dicts, lists, text and numbers.

    Raises:
        ValueError: the bytes are no such document, are cut off, or are nested too deeply.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise ValueError("there are bytes after its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("it is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def peek(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        if marker == b"{":
            return self._object(depth)
        if marker == b"[":
            return self._array(depth)
        if marker == b"S":
            return self._text()
        if marker in _NUMBERS:
            return self._number(marker)
        if marker in _WORDS:
            return _WORDS[marker]
        raise ValueError(f"the marker {marker!r} means nothing")

    def _number(self, marker: bytes) -> Any:
        form = _NUMBERS[marker]
        return form.unpack(self.take(form.size))[0]

    def _length(self) -> int:
        marker = self.take(1)
        if marker not in _INTEGERS:
            raise ValueError("a length is no integer")
        length = self._number(marker)
        if not 0 <= length <= len(self.data):
            raise ValueError("a length is beyond the file")
        return length

    def _text(self) -> str:
        return self.take(self._length()).decode("utf-8")

    def _object(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self._text()
            if key in made:
                raise ValueError(f"`{key[:40]}` stands twice in one object")
            made[key] = self.value(self.take(1), depth + 1)
        self.take(1)
        return made

    def _array(self, depth: int) -> list[Any]:
        if self.peek() == b"$":
            self.take(1)
            form = _ARRAYS.get(self.take(1))
            if form is None or self.take(1) != b"#":
                raise ValueError("an array has a type that is no number")
            kind = np.dtype(form)
            return np.frombuffer(self.take(self._length() * kind.itemsize), dtype=kind).tolist()
        if self.peek() == b"#":
            self.take(1)
            return [self.value(self.take(1), depth + 1) for _ in range(self._length())]
        made = []
        while self.peek() != b"]":
            made.append(self.value(self.take(1), depth + 1))
        self.take(1)
        return made
