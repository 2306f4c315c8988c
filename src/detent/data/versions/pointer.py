"""Pointer files: a version in a few lines of JSON, to commit beside the code that needs it."""

from __future__ import annotations

import json
from pathlib import Path

from detent.data.versions.entries import Folder
from detent.data.versions.store import check_name
from detent.data.versions.tree import load_manifest
from detent.data.versions.version import ADDED, Version
from detent.errors import DataError, DetentError, Place
from detent.store.atomic import write_atomic
from detent.store.blobs import Blobs

SUFFIX = ".detent.json"
FORMAT = "detent.pointer.v1"


def write_pointer(folder: Path, version: Version) -> Path:
    """Write `folder/NAME.detent.json` and return it. It holds contents only, no time or place."""
    path = folder / f"{version.dataset}{SUFFIX}"
    plain = {
        "format": FORMAT,
        "name": version.dataset,
        "digest": version.id,
        "files": version.files,
        "bytes": version.bytes,
    }
    write_atomic(path, (json.dumps(plain, indent=2) + "\n").encode())
    return path


def read_pointer(path: Path, blobs: Blobs) -> Version:
    """Return the version that a pointer file names. The history need not know it: a fresh clone has none.

    Raises:
        DataError: there is no such file, or it is no pointer.
        StoreError: the store has no such version.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["format"] != FORMAT:
            raise ValueError(f"its format is {plain['format']!r}")
        name, digest = check_name(plain["name"]), str(plain["digest"])
    except (OSError, ValueError, KeyError, TypeError, DetentError) as error:
        raise DataError(
            what=f"{path} is no pointer to a version",
            why=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            fix="`detent data add` writes such files; take it from version control again",
            where=Place(file=str(path)),
        ) from error
    root = load_manifest(digest, blobs)
    return Version(
        dataset=name,
        id=digest,
        kind=ADDED,
        parent=None,
        created="",
        author="",
        message="",
        source=str(path),
        files=root.files if isinstance(root, Folder) else 1,
        bytes=root.bytes if isinstance(root, Folder) else root.size,
        schema=None,
    )
