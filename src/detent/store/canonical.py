"""One way to turn a value into bytes, so that equal values have equal digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces.

    Raises:
        ValueError: a number is NaN or infinite, or a text is no valid Unicode: that is no JSON.
    """
    return _text(value).encode()


def canonical_names(value: Any) -> bytes:
    """Return the same for what holds file names: those that are no valid text come back from it as they were.

    They hold lone surrogates in Python, which become JSON's own escapes.
    """
    return _text(value).encode("utf-8", "backslashreplace")


def digest(data: bytes) -> str:
    """Return the sha256 of the bytes, in hex (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """Return the digest of a JSON value's canonical bytes."""
    return digest(canonical(value))
