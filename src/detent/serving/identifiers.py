"""Prediction ids: they sort by time, no two are equal, and only this installation can make them.

40 hex digits of 20 bytes: milliseconds since 1970 (6), worker slot (1), flags (1), start number of the worker (2),
counter (4), and the first 6 bytes of a keyed blake2b over the rest. So a label for an id that was never given out is
told apart without a lookup.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import struct
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from detent.errors import Place, StoreError

_BODY = struct.Struct(">HIBBHI")  # high and low part of the 48-bit time, slot, flags, start, counter
_MAC_BYTES = 6
_SHAPE = re.compile(r"[0-9a-f]{40}")
_PROBABILITY = 1
KEY_BYTES = 32


class PredictionIds:
    """Makes the ids of one worker. Not safe for several threads."""

    def __init__(self, key: bytes, *, slot: int, start: int) -> None:
        self._mac = blake2b(key=key, digest_size=_MAC_BYTES)
        self._slot, self._start, self._counter = slot % 256, start % 65_536, 0
        self._now: datetime | None = None
        self._high = self._low = 0  # of the time of `_now`

    def mint(self, now: datetime, count: int, *, probability: bool) -> list[str]:
        """Return `count` new ids for predictions made at `now`; `probability` says that their labels are 0 or 1."""
        if now is not self._now:  # all requests of one turn of the event loop come with the same
            milliseconds = int(now.timestamp() * 1000)
            self._now, self._high, self._low = now, milliseconds >> 32 & 0xFFFF, milliseconds & 0xFFFFFFFF
        high, low = self._high, self._low
        flags = _PROBABILITY if probability else 0
        ids = []
        for counter in range(self._counter, self._counter + count):
            body = _BODY.pack(high, low, self._slot, flags, self._start, counter & 0xFFFFFFFF)
            mac = self._mac.copy()
            mac.update(body)
            ids.append((body + mac.digest()).hex())
        self._counter += count
        return ids

    def genuine(self, text: str) -> bool:
        """Tell whether some worker of this installation gave out the id."""
        if _SHAPE.fullmatch(text) is None:
            return False
        raw = bytes.fromhex(text)
        mac = self._mac.copy()
        mac.update(raw[: _BODY.size])
        return hmac.compare_digest(mac.digest(), raw[_BODY.size :])


def of_probability(text: str) -> bool:
    """Tell whether a genuine id belongs to a prediction of a probability, whose label must be 0 or 1."""
    return bool(int(text[14:16], 16) & _PROBABILITY)


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
