"""A list of files by name and digest: the stored form of a file, a folder, and an object that saved itself as files.

Light to import: whoever looks whether a stored value is whole loads this file and no codec.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from detent.errors import TamperedError
from detent.pipeline.artifacts import FILE, FOLDER, LIST, Artifact
from detent.store.blobs import Blobs
from detent.store.canonical import canonical

_FORMAT = "detent.folder.v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files of a folder. Times, owners and modes are no part of it."""

    files: Mapping[str, str]  # path relative to the folder, with "/" -> digest
    empty: tuple[str, ...] = ()  # folders in it that hold nothing, sorted
    type: str = ""  # "module:class" of the object that wrote them; "" when they are the value themselves


def write_manifest(manifest: Manifest, blobs: Blobs) -> str:
    """Store a manifest and return its digest."""
    plain = {
        "format": _FORMAT,
        "type": manifest.type,
        "files": dict(manifest.files),
        "empty": list(manifest.empty),
    }
    return blobs.put(canonical(plain))


def read_manifest(digest: str, blobs: Blobs) -> Manifest:
    """Return a stored manifest; no name in it leads out of the folder that it is unpacked into.

    Raises:
        StoreError: it is missing.
        TamperedError: it is damaged, or is no manifest.
    """
    data = blobs.get(digest)
    try:
        manifest = _manifest(json.loads(data))
        for name in (*manifest.files, *manifest.empty):
            check_name(name)
        _check_nesting(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TamperedError(
            what=f"{digest[:12]} is no list of files that can be trusted",
            why=str(error)[:300] or type(error).__name__,
            fix="run the step again that made it",
        ) from error
    return manifest


def blobs_of(artifact: Artifact, blobs: Blobs) -> tuple[str, ...]:
    """Return the digests of every blob that is needed to open a value, the files of folders included.

    Raises:
        StoreError: a manifest is missing.
        TamperedError: a manifest is damaged.
    """
    names = list(artifact.parts or (() if artifact.kind == LIST else (artifact.digest,)))
    if artifact.kind in (FOLDER, FILE):
        names += read_manifest(artifact.digest, blobs).files.values()
    return (*names, *(name for item in artifact.items for name in blobs_of(item, blobs)))


def check_name(name: str) -> None:
    """Refuse a path that leads out of its folder, or means another file on another system.

    Raises:
        ValueError: it does.
    """
    path = PurePosixPath(name)
    parts = name.split("/")
    if path.is_absolute() or not name or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"`{name}` leads to a file outside itself")
    if "\\" in name or "\0" in name or name[1:2] == ":":  # C: is a drive elsewhere
        raise ValueError(f"`{name}` is no portable name")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name!r} is no text in UTF-8") from error


def _manifest(plain: Any) -> Manifest:
    if plain["format"] != _FORMAT:
        raise ValueError(f"its format is {plain['format']!r}, not {_FORMAT!r}")
    manifest = Manifest(files=dict(plain["files"]), empty=tuple(plain["empty"]), type=plain["type"])
    texts = (*manifest.files, *manifest.files.values(), *manifest.empty, manifest.type)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("it holds something else than texts")
    return manifest


def _check_nesting(manifest: Manifest) -> None:
    for name in (*manifest.files, *manifest.empty):
        for folder in _parents(name):
            if folder in manifest.files:
                raise ValueError(f"`{folder}` is a file and a folder")


def _parents(name: str) -> Iterator[str]:
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
