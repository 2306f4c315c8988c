"""Bytes by their sha256. The same bytes are stored once, a blob never changes, and what is read is checked.

In: bytes and files. Out: digests, and by a digest the bytes. `RemoteBlobs` is loaded when it is first asked for:
a project whose blobs lie in a folder never imports fsspec.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detent.store.blobs.folder import FolderBlobs
from detent.store.blobs.open import open_blobs
from detent.store.blobs.protocol import Blobs, Stat

if TYPE_CHECKING:
    from detent.store.blobs.remote import RemoteBlobs

__all__ = ["Blobs", "FolderBlobs", "RemoteBlobs", "Stat", "open_blobs"]


def __getattr__(name: str) -> Any:
    if name == "RemoteBlobs":
        return import_module("detent.store.blobs.remote").RemoteBlobs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
