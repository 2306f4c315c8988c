"""Which codec stores a value?"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Protocol, cast

from detent.errors import DataError, StoreError, TamperedError
from detent.pipeline.artifacts import FOLDER, JSON, NPY, PARQUET, Artifact
from detent.pipeline.codecs.folder import blobs_of
from detent.store.blobs import Blobs


class Codec(Protocol):
    """A module with these two functions. Stateless; safe in any thread or process."""

    def dump(self, value: Any, blobs: Blobs) -> Artifact:
        """Store a value; DataError when it would not come back as it is."""
        ...

    def load(self, artifact: Artifact, blobs: Blobs) -> Any:
        """Return the value again; StoreError or TamperedError when a blob is missing or damaged."""
        ...


_MODULES = {
    PARQUET: "detent.pipeline.codecs.parquet",
    NPY: "detent.pipeline.codecs.npy",
    JSON: "detent.pipeline.codecs.json",
    FOLDER: "detent.pipeline.codecs.folder",
}
# (top package, class) -> kind. Looked up by name, so that choosing a codec imports nothing.
_KINDS = {("polars", "DataFrame"): PARQUET, ("numpy", "ndarray"): NPY}
_ADVICE = {
    ("polars", "LazyFrame"): "call .collect() first",
    ("polars", "Series"): "return series.to_frame()",
    ("pandas", "DataFrame"): "return polars.from_pandas(frame)",
    ("pandas", "Series"): "return polars.from_pandas(series).to_frame()",
    ("pyarrow", "Table"): "return polars.from_arrow(table)",
}


def dump(value: object, blobs: Blobs) -> Artifact:
    """Store a value with the codec of its type.

    Raises:
        DataError: no codec takes it, or it would not come back as it is.
    """
    return _codec(_kind_of(value)).dump(value, blobs)


def load(artifact: Artifact, blobs: Blobs) -> Any:
    """Return a stored value.

    Raises:
        StoreError: a blob is missing.
        TamperedError: a blob is damaged.
    """
    return _codec(artifact.kind).load(artifact, blobs)


def discard_damaged(artifacts: Iterable[Artifact], blobs: Blobs) -> bool:
    """Check every byte of some artifacts; remove the blobs that are damaged. True when one is, or is missing."""
    damaged = False
    for artifact in artifacts:
        try:
            # No codec's library is needed for this, so a run without work loads none.
            names = blobs_of(artifact, blobs) if artifact.kind == FOLDER else artifact.blobs
        except (StoreError, TamperedError):
            names, damaged = artifact.blobs, True
        for name in names:
            try:
                blobs.get(name)
            except TamperedError:
                blobs.delete(name)  # else the same bytes, made again, would be taken as stored already
                damaged = True
            except StoreError:
                damaged = True
    return damaged


def _kind_of(value: object) -> str:
    names = [(base.__module__.partition(".")[0], base.__name__) for base in type(value).__mro__]
    for name in names:
        if name in _KINDS:
            return _KINDS[name]
    if callable(getattr(value, "save", None)) and callable(getattr(type(value), "load", None)):
        return FOLDER
    for name in names:
        if name in _ADVICE:
            raise DataError(
                what=f"a {name[0]}.{name[1]} can't be an output of a step",
                why="outputs are Polars frames, NumPy arrays, plain values, or objects with save and load",
                fix=_ADVICE[name],
            )
    return JSON


def _codec(kind: str) -> Codec:
    return cast("Codec", import_module(_MODULES[kind]))
