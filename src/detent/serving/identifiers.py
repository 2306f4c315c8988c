"""Prediction ids: they sort by time, no two are equal, and only this installation can make them.

40 hex digits of 20 bytes: milliseconds since 1970 (6), worker slot (1), flags (1), start number of the worker (2),
counter (4), and 6 bytes of a keyed blake2b over the rest. So a label for an id that was never given out is told apart
without a lookup. One hash makes the bytes of eight ids that differ in the last three bits of their counters only: each
takes its own six of the 48.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from detent.errors import Place, StoreError

_BLOCK = 8  # ids that share a hash
_MAC_DIGITS = 12  # of each
_LASTS = {"0": "01234567", "8": "89abcdef"}  # last digits of a block's counters, by that of the first one
_HEAD_DIGITS = 20  # before the counter
_SHAPE = re.compile(r"[0-9a-f]{40}")
_PROBABILITY, _CLASSES = 1, 2
KEY_BYTES = 32
_SITES, _START_BITS = 64, 10  # of the 16 bits of a start number


class PredictionIds:
    """Makes the ids of one worker. Not safe for several threads."""

    def __init__(self, key: bytes, *, slot: int, start: int) -> None:
        self._mac = blake2b(key=key, digest_size=_BLOCK * _MAC_DIGITS // 2)
        self._owner = f"{slot % 256:02x}", f"{start % 65_536:04x}"
        self._now: datetime | None = None
        self._flags = -1
        self._head = ""  # of ids at `_now`: all before the counter
        self._first, self._place = -_BLOCK, _BLOCK  # of the block: its first counter, and how many of it are used
        self._stem = self._lasts = self._macs = ""  # of its ids: all before the last digit of the counter, and the rest

    def mint(self, now: datetime, count: int, *, probability: bool, classes: bool = False) -> list[str]:
        """Return `count` new ids for predictions made at `now`.

        `probability` says that their labels are 0 or 1, `classes` that they are names of classes.
        """
        flags = _PROBABILITY if probability else _CLASSES if classes else 0
        if now is not self._now or flags != self._flags:  # all requests of one turn of the event loop have the same
            self._begin(now, flags)
        if count == 1:
            return [self._next()]
        return [self._next() for _ in range(count)]

    def genuine(self, text: str) -> bool:
        """Tell whether some worker of this installation gave out the id."""
        if _SHAPE.fullmatch(text) is None:
            return False
        counter = int(text[_HEAD_DIGITS:-_MAC_DIGITS], 16)
        place = counter % _BLOCK
        macs = self._hashed(bytes.fromhex(f"{text[:_HEAD_DIGITS]}{counter - place:08x}"))
        return hmac.compare_digest(macs[place * _MAC_DIGITS :][:_MAC_DIGITS], text[-_MAC_DIGITS:])

    def _begin(self, now: datetime, flags: int) -> None:
        """Make ids of another moment or kind from now on; the counter goes on where it is."""
        self._now, self._flags = now, flags
        slot, start = self._owner
        milliseconds = int(now.timestamp() * 1000) & 0xFFFFFFFFFFFF
        head = f"{milliseconds:012x}{slot}{flags:02x}{start}"
        if head != self._head:
            self._head = head
            if self._place < _BLOCK:
                self._hash_block()

    def _next(self) -> str:
        place = self._place
        if place == _BLOCK:
            self._first, place = (self._first + _BLOCK) & 0xFFFFFFFF, 0
            self._hash_block()
        self._place = place + 1
        at = place * _MAC_DIGITS
        return self._stem + self._lasts[place] + self._macs[at : at + _MAC_DIGITS]

    def _hash_block(self) -> None:
        digits = f"{self._head}{self._first:08x}"
        self._macs = self._hashed(bytes.fromhex(digits))
        self._stem, self._lasts = digits[:-1], _LASTS[digits[-1]]

    def _hashed(self, body: bytes) -> str:
        """Return the last digits of the ids of a block, one after the other."""
        mac = self._mac.copy()
        mac.update(body)
        return mac.hexdigest()


def start_of(site: int, starts: int) -> int:
    """Return the start number of a process: no two hosts that share a key have the same, up to 64 hosts."""
    return starts if site == 0 else (site % _SITES) << _START_BITS | starts % (1 << _START_BITS)


def of_probability(text: str) -> bool:
    """Tell whether a genuine id belongs to a prediction of a probability, whose label must be 0 or 1."""
    return bool(int(text[14:16], 16) & _PROBABILITY)


def of_classes(text: str) -> bool:
    """Tell whether a genuine id belongs to a prediction of several classes, whose label must be the name of one."""
    return bool(int(text[14:16], 16) & _CLASSES)


def load_or_create_key(path: Path) -> bytes:
    """Return the secret of this installation, made at the first call (mode 0600); safe when processes race.

    Raises:
        StoreError: the file has another size than a key.
    """
    with contextlib.suppress(FileNotFoundError):
        return _checked(path, path.read_bytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # the first of several processes wins; the others take its key
    draft.unlink()
    return _checked(path, path.read_bytes())


def _checked(path: Path, key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise StoreError(
            what="the key of the prediction ids is damaged",
            why=f"it has {len(key)} bytes instead of {KEY_BYTES}",
            fix="restore the file from a backup; with a new key, labels for older predictions would be refused",
            where=Place(file=str(path)),
        )
    return key
