"""An address -> a blob store."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from detent.errors import StoreError
from detent.store.blobs.folder import FolderBlobs
from detent.store.blobs.protocol import Blobs


def open_blobs(url: str, *, cache: Path | None = None, options: Mapping[str, Any] | None = None) -> Blobs:
    """Open a blob store: a local folder or `file://` URL, or any URL that fsspec knows (then `cache` is needed).

    `options` go to the fsspec filesystem, for example `{"endpoint_url": ...}` for an S3 that is not Amazon's.

    Raises:
        StoreError: a remote URL without a cache folder, or one that fsspec does not know; the folder can't be made.
        MissingExtraError: fsspec needs another package for this kind of URL.
    """
    if "://" not in url:
        return FolderBlobs(Path(url))
    if url.startswith("file:///"):
        return FolderBlobs(Path(unquote(url.removeprefix("file://"))))
    if cache is None:
        raise StoreError(
            what=f"the blob store {url} needs a local cache folder",
            why="bundles and data parts are read from checked local copies",
            fix="give a cache folder",
        )
    # fsspec is heavy and only stores that lie elsewhere need it.
    remote = import_module("detent.store.blobs.remote")
    return remote.open_remote(url, cache, options or {})
