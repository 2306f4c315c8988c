"""A `Path` that a step returns: the file or the folder that it wrote. It is read from a copy, at another path.

A file's name is part of the value, for readers choose by its ending; a folder's name is not, for it is often random.
"""

from __future__ import annotations

from pathlib import Path

from detent.errors import DataError, Place
from detent.pipeline.artifacts import FILE, FOLDER, Artifact
from detent.pipeline.codecs.files import store_files, store_folder, unpack
from detent.pipeline.codecs.manifest import Manifest, check_name, read_manifest, write_manifest
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.scratch import holds_scratch, is_given_up, new_folder
from detent.store.blobs import Blobs

_OTHERWISE = "return the Path of what the step wrote; to hand on a mere name, return a str or a PurePosixPath"


def dump(value: Path, blobs: Blobs) -> Artifact:
    """Store the file, or every file of the folder. What lies in the attempt's scratch folder is moved, else copied."""
    if value.is_symlink():
        raise _refused(value, "it is a symbolic link", "return path.resolve()")
    given_up = is_given_up(value)
    if value.is_dir():
        if holds_scratch(value):
            raise _refused(value, "the run's own scratch folder lies in it", "return the folder that the step wrote")
        return Artifact(digest=write_manifest(store_folder(value, blobs, given_up=given_up), blobs), kind=FOLDER)
    if not value.is_file():
        raise _refused(value, "it is no ordinary file" if value.exists() else "nothing is there", _OTHERWISE)
    try:
        check_name(value.name)
    except ValueError as error:
        raise _refused(value, str(error), "give the file an ordinary name") from error
    manifest = Manifest(files={value.name: store_files([value], blobs, given_up=given_up)[0]})
    return Artifact(digest=write_manifest(manifest, blobs), kind=FILE)


def load(artifact: Artifact, blobs: Blobs) -> Path:
    """Return the path of a copy, or of a link into the store: read it, and write elsewhere."""
    manifest = read_manifest(artifact.digest, blobs)
    names = list(manifest.files)
    if artifact.kind == FILE and (len(names) != 1 or "/" in names[0] or manifest.empty):
        raise unreadable(artifact, ValueError(f"it holds {len(names)} files"))
    folder = new_folder("input")
    unpack(manifest, folder, blobs, writable=False)
    return folder / names[0] if artifact.kind == FILE else folder


def _refused(path: Path, why: str, fix: str) -> DataError:
    return DataError(
        what=f"the path {path} can't be an output of a step", why=why, fix=fix, where=Place(file=str(path))
    )
