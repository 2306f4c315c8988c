"""Objects that write themselves into a folder, as a manifest of files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from detent.errors import DataError, TamperedError
from detent.pipeline.artifacts import FOLDER, Artifact
from detent.pipeline.codecs.classes import find_class, name_class
from detent.store.blobs import Blobs
from detent.store.canonical import canonical

_FORMAT = "detent.folder.v1"


def dump(value: Any, blobs: Blobs) -> Artifact:
    """Have the object save itself into an empty folder, and store each file."""
    name = name_class(type(value))
    with tempfile.TemporaryDirectory(prefix="detent-save-") as temporary:
        folder = Path(temporary)
        value.save(folder)
        paths = sorted(folder.rglob("*"))
        if any(path.is_symlink() for path in paths) or not any(path.is_file() for path in paths):
            raise DataError(
                what=f"{name} did not save itself as files",
                why="save(folder) wrote nothing, or it wrote symbolic links",
                fix="let save(folder) write ordinary files into the folder",
            )
        files = {path.relative_to(folder).as_posix(): blobs.put_file(path) for path in paths if path.is_file()}
    manifest = canonical({"format": _FORMAT, "files": files})
    return Artifact(digest=blobs.put(manifest), kind=FOLDER, type=name)


def load(artifact: Artifact, blobs: Blobs) -> Any:
    """Return the object; its class's load(folder) must read all it needs, for the folder is removed afterwards."""
    kind = find_class(artifact.type)
    with tempfile.TemporaryDirectory(prefix="detent-load-") as temporary:
        for name, digest in _files(artifact, blobs).items():
            path = Path(temporary, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blobs.get(digest))
        return kind.load(Path(temporary))


def blobs_of(artifact: Artifact, blobs: Blobs) -> tuple[str, ...]:
    """Return the digests of the manifest and of every file."""
    return (artifact.digest, *_files(artifact, blobs).values())


def _files(artifact: Artifact, blobs: Blobs) -> dict[str, str]:
    manifest = json.loads(blobs.get(artifact.digest))
    files: dict[str, str] = manifest["files"]
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise TamperedError(
                what=f"folder {artifact.digest[:12]} holds a file outside itself",
                why=f"its manifest names `{name}`",
                fix="run the step again that made it",
            )
    return files
