"""Which variables of the environment are read, and what they held: as a keyed digest, for they may be secrets.

`os.environ` stays the object that it is and only gets another class, so that who imported it earlier is seen as well.
A library written in C or Rust that asks the C library for a variable, and a child process, are not seen.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import deque
from collections.abc import Iterator
from typing import Any

from detent.pipeline.trace.ignored import is_noise, is_session_noise


class Variables:
    """What was read since `begin`."""

    def __init__(self) -> None:
        self._key: bytes | None = None  # None: nobody asks
        self._found: dict[str, str] = {}
        # Set by a step, such as what a library sets once in a process: it never came from outside.
        self._own: set[str] = set()
        self._copied: deque[str] = deque()  # names handed out and not read yet, by who copies them all

    def begin(self, key: bytes) -> None:
        """Note from now on."""
        self._key, self._found = key, {}
        self._copied.clear()

    def end(self) -> dict[str, str]:
        """Return names and digests of what was read; "" for a variable that was not set."""
        self._key = None
        return self._found

    @property
    def own(self) -> frozenset[str]:
        """Names of variables that were given a value while it was noted."""
        return frozenset(self._own)

    def was_read(self, name: str, value: str | None) -> None:
        """A variable was asked for; its value is None when it is not set."""
        if self._key is None:
            return
        copied = bool(self._copied) and self._copied.popleft() == name
        if not copied:
            self._copied.clear()
        if name in self._found or name in self._own:
            return
        if not (is_session_noise(name) if copied else is_noise(name)):
            self._found[name] = "" if value is None else value_digest(name, value, self._key)

    def was_set(self, name: str) -> None:
        """The step gives a variable a value of its own; what it read before stays a read."""
        if self._key is not None:
            self._own.add(name)

    def was_named(self, name: str) -> None:
        """A loop over all names came to this one."""
        if self._key is not None:
            self._copied.append(name)


VARIABLES = Variables()  # of this process, as the environment is


class RecordingEnviron(os._Environ):  # type: ignore[type-arg]
    """The environment. All ways to read it go through `__getitem__` or `__iter__`."""

    def __getitem__(self, key: Any) -> Any:
        try:
            value = super().__getitem__(key)
        except KeyError:
            VARIABLES.was_read(os.fsdecode(key), None)
            raise
        VARIABLES.was_read(os.fsdecode(key), os.fsdecode(value))
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        VARIABLES.was_set(os.fsdecode(key))

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        VARIABLES.was_set(os.fsdecode(key))

    def __iter__(self) -> Iterator[Any]:
        for key in super().__iter__():
            VARIABLES.was_named(os.fsdecode(key))
            yield key


def install() -> None:
    """Make the environment of this process a recording one, for good."""
    for environment in (os.environ, os.environb):
        environment.__class__ = RecordingEnviron


def value_digest(name: str, value: str, key: bytes) -> str:
    """Return a digest that tells nothing about the value to who has not got the key."""
    message = f"{name}\0{value}".encode("utf-8", "surrogateescape")
    return hmac.new(key, message, hashlib.sha256).hexdigest()
