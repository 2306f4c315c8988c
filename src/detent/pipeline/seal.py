"""A code for the value of a variable or a secret: it shows that a value is the same, and nothing else about it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from pathlib import Path

from detent.store.atomic import write_atomic

FINGERPRINT_KEY = Path("keys", "fingerprint.key")  # in the state folder


def seal(name: str, value: str, key: bytes) -> str:
    """Return the code of a value (hex); only who has the key can try values against it."""
    message = f"{name}\0{value}".encode("utf-8", "surrogateescape")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def project_key(state: Path) -> bytes:
    """Return the key of a project for `seal`, made when its state is new."""
    path = state / FINGERPRINT_KEY
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        write_atomic(fresh, os.urandom(32), mode=0o600)
        with contextlib.suppress(FileExistsError):  # another process was first
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_bytes()
