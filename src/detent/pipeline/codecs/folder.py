"""Objects that write themselves into a folder, and folders that are kept as they are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from detent.errors import DataError
from detent.pipeline.artifacts import FOLDER, Artifact
from detent.pipeline.codecs.classes import find_class, name_class
from detent.pipeline.codecs.files import store_folder, unpack
from detent.pipeline.codecs.manifest import read_manifest, write_manifest
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.scratch import new_folder
from detent.store.blobs import Blobs


def dump(value: Any, blobs: Blobs) -> Artifact:
    """Have the object save itself into an empty folder, and store each file."""
    name = name_class(type(value))
    folder = new_folder("save")
    try:
        value.save(folder)
        manifest = store_folder(folder, blobs, given_up=True, type=name)
        if not manifest.files:
            raise DataError(
                what=f"{name} did not save itself as files",
                why="save(folder) wrote nothing into the folder",
                fix="let save(folder) write ordinary files into the folder",
            )
        return Artifact(digest=write_manifest(manifest, blobs), kind=FOLDER, type=name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load(artifact: Artifact, blobs: Blobs) -> Any:
    """Return the object; its class's load(folder) must read all it needs, for the folder is removed afterwards."""
    manifest = read_manifest(artifact.digest, blobs)
    if manifest.type != artifact.type:
        raise unreadable(artifact, ValueError(f"the files are those of a {manifest.type or 'folder'}"))
    kind = find_class(artifact.type)
    if not isinstance(kind, type) or not callable(getattr(kind, "load", None)):
        raise DataError(
            what=f"a stored {artifact.type} can't be opened",
            why="its class has no load(folder)",
            fix="give the class a classmethod load(folder), or run the step again that makes the value",
        )
    folder = new_folder("load")
    try:
        unpack(manifest, folder, blobs, writable=True)
        return kind.load(folder)  # pyright: ignore[reportAttributeAccessIssue]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path, blobs: Blobs) -> Artifact:
    """Store a folder that goes on being used, such as a checkpoint; nothing in it is moved or linked."""
    manifest = store_folder(folder, blobs, given_up=False)
    return Artifact(digest=write_manifest(manifest, blobs), kind=FOLDER)


def restore(artifact: Artifact, folder: Path, blobs: Blobs) -> None:
    """Write what `keep` stored into a folder, as files of its own that may be written.

    Raises:
        StoreError: a blob is missing, or the disk is full.
        TamperedError: a blob is damaged.
    """
    unpack(read_manifest(artifact.digest, blobs), folder, blobs, writable=True)
