"""The files of a bundle: their names, their digests, and which kinds of file may lie in its folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from detent.errors import Place, RefusedError
from detent.store.canonical import digest

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"
VERDICT_NAME = "verdict.json"
OUTSIDE = frozenset({MANIFEST_NAME, SIGNATURE_NAME, VERDICT_NAME})  # files that the manifest can't list
REQUIRED = ("signature.json", "profile.json", "golden.json")  # what every bundle holds besides its model
# What each predictor reads; a predictor from elsewhere has files of its own, and says itself when one is missing.
MODEL_FILES: dict[str, tuple[str, ...]] = {
    "onnx": ("model.onnx",),
    "lightgbm": ("model.lgb.txt",),
    "xgboost": ("model.xgb",),
    "skops": ("model.skops", "trust.json"),
    "torch": ("model.pt2",),
    "mlp": ("model.safetensors",),
    "sandbox": ("trust.json",),
    "remote": ("remote.json", "trust.json"),
}
REFERENCE_NAME = "reference.bin"  # what live rows are compared with; bundles of an earlier form have none
MAX_FILE_BYTES = 1 << 30  # of any one file; larger models belong into another kind of server
MAX_TEXT_BYTES = 16 << 20  # of manifest, signature and verdict


def required_files(predictor: str) -> tuple[str, ...]:
    """Return the names of the files without which a bundle of this predictor is none."""
    return (*MODEL_FILES.get(predictor, ()), *REQUIRED)


def read_model(path: Path) -> bytes:
    """Return the bytes of a model file.

    Raises:
        RefusedError: it is missing or too large.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, f"it can't be read: {error.strerror}") from error
    if size > MAX_FILE_BYTES:
        raise _unreadable(path, f"it has {size:,} bytes; {MAX_FILE_BYTES:,} are the most")
    return path.read_bytes()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_files(folder: Path) -> list[str]:
    """Return the relative paths of all files under `folder`, sorted, with `/` between the parts.

    Raises:
        RefusedError: there is a symbolic link, a device, a socket or a pipe.
    """
    found: list[str] = []
    waiting = [folder]
    while waiting:
        for entry in waiting.pop().iterdir():
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise RefusedError(
                    what=f"`{entry.relative_to(folder).as_posix()}` is not a plain file",
                    why="a link could lead out of the bundle, and what it leads to can change after signing",
                    fix="put a copy of the file into the bundle",
                    where=Place(file=str(entry)),
                )
            if entry.is_dir():
                waiting.append(entry)
            else:
                found.append(entry.relative_to(folder).as_posix())
    return sorted(found)


def manifest_digest(folder: Path) -> str:
    """Return the sha256 of `manifest.json`: the name of this bundle everywhere else."""
    return digest((folder / MANIFEST_NAME).read_bytes())


def _unreadable(path: Path, why: str) -> RefusedError:
    return RefusedError(
        what="the model file can't be loaded",
        why=why,
        fix="take the bundle from the run that made it",
        where=Place(file=path.name),
    )
