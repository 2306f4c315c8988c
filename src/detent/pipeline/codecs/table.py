"""Any value <-> an artifact: which codec stores it, and which opens it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from detent.errors import MissingExtraError
from detent.pipeline.artifacts import ARROW, FILE, FOLDER, JSON, LIST, NPY, PANDAS, PARQUET, PICKLE, TREE, Artifact
from detent.pipeline.codecs import pickle, tree
from detent.pipeline.codecs.annotations import alternatives, item_hint, peel
from detent.pipeline.codecs.form import write
from detent.pipeline.codecs.kinds import KINDS_BY_CLASS
from detent.pipeline.codecs.manifest import blobs_of
from detent.pipeline.codecs.misfit import Unfit
from detent.store.blobs import Blobs


class Codec(Protocol):
    """A module with these two functions. Stateless; safe in any thread or process."""

    def dump(self, value: Any, blobs: Blobs) -> Artifact:
        """Store a value; DataError when it would not come back as it is."""
        ...

    def load(self, artifact: Artifact, blobs: Blobs) -> Any:
        """Return the value again; StoreError or TamperedError when a blob is missing or damaged."""
        ...


__all__ = ["blobs_of", "dump", "load"]
_HERE = "detent.pipeline.codecs"
_MODULES = {
    PARQUET: f"{_HERE}.parquet",
    PANDAS: f"{_HERE}.pandas",
    ARROW: f"{_HERE}.arrow",
    NPY: f"{_HERE}.npy",
    FOLDER: f"{_HERE}.folder",
    FILE: f"{_HERE}.path",
    PICKLE: f"{_HERE}.pickle",
}
_FRAMES = (PARQUET, PANDAS, ARROW)


def dump(value: object, blobs: Blobs, *, declared: object | None = None) -> Artifact:
    """Store a value. `declared` is the resolved annotation of what returns it (with its extras), or None.

    The whole value is checked against the annotation; what it says is kept, an int for a float becomes one. Without an
    annotation the value's own class decides how it is stored.

    Raises:
        DataError: it is not of the declared type, no codec takes it, or it would not come back as it is.
        MissingExtraError: storing it needs a package that is not installed.
        StoreError: the disk or the store is full or not writable.
    """
    try:
        form = write(value, Any if declared is None else declared)
        return tree.dump(form, blobs, lambda leaf: _codec(leaf.kind).dump(leaf.value, blobs))
    except Unfit as unfit:
        raise unfit.error() from unfit.__cause__


def load(artifact: Artifact, blobs: Blobs, *, declared: object | None = None) -> Any:
    """Return a stored value. `declared` is the annotation of the parameter that takes it, or None.

    A frame is given as the kind of frame that is declared; a pickle is opened only where `Pickled[...]` is declared.

    Raises:
        StoreError: a blob is missing.
        TamperedError: a blob is damaged, or is not what the artifact says.
        RefusedError: it is a pickle, and none is declared.
        DataError: a class of it is gone.
        MissingExtraError: opening it needs a package that is not installed.
    """
    if artifact.kind == LIST:
        return [load(item, blobs, declared=item_hint(declared)) for item in artifact.items]
    if artifact.kind in (JSON, TREE):
        return tree.load(artifact, blobs, lambda item: load(item, blobs, declared=declared))
    if artifact.kind == PICKLE:
        return pickle.load(artifact, blobs, declared=declared)
    value = _codec(FILE if artifact.kind == FOLDER and not artifact.type else artifact.kind).load(artifact, blobs)
    wanted = _declared_frame(declared) if artifact.kind in _FRAMES else {artifact.kind}
    if not wanted or artifact.kind in wanted:
        return value
    return _module(f"{_HERE}.frames", "frame").convert(value, stored=artifact.kind, wanted=min(wanted))


def _declared_frame(declared: Any) -> set[str]:
    """Return the kinds of frames that an annotation names; none of them when it names something else as well."""
    bare, _ = peel(Any if declared is None else declared)
    kinds = set()
    for choice in alternatives(bare) or (bare,):
        kind, _ = peel(choice)
        module = getattr(kind, "__module__", "").partition(".")[0]
        kinds.add(KINDS_BY_CLASS.get((module, getattr(kind, "__name__", "")), ""))
    return kinds & set(_FRAMES)


def _codec(kind: str) -> Codec:
    return cast("Codec", _module(_MODULES[kind], kind))


def _module(name: str, what: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "detent"):
            raise
        raise MissingExtraError(
            what=f"a value stored as {what} needs the package `{package}`",
            why="it is not installed in this environment",
            fix=f"pip install {package}, or return another kind of value",
        ) from error
