"""The files of a bundle: their names, their digests, and which kinds of file may lie in its folder."""

from __future__ import annotations

import hashlib
import os
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


def bundle_bytes(folder: Path) -> int:
    """Return the size of an unpacked bundle: its manifest and what that lists.

    Signature and verdict are written once it is judged, so that the same bundle would seem to grow by being accepted.
    """
    later = {folder / SIGNATURE_NAME, folder / VERDICT_NAME}
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path not in later)


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
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{inside}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    found.append(f"{inside}{entry.name}")
                else:
                    raise RefusedError(
                        what=f"`{inside}{entry.name}` is not a plain file",
                        why="a link could lead out of the bundle, and what it leads to can change after signing",
                        fix="put a copy of the file into the bundle",
                        where=Place(file=entry.path),
                    )
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
