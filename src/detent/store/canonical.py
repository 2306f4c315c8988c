"""One way to turn a value into bytes, so that equal values have equal digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces. NaN and infinities are refused with ValueError: they are not JSON.

    A file name that is no valid text holds lone surrogates; they become JSON's own escapes, and come back from those.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def digest(data: bytes) -> str:
    """Return the sha256 of the bytes, in hex (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Return the digest of a JSON value's canonical bytes."""
    return digest(canonical(value))
