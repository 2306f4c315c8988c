"""Which values are stored as blobs of their own? Told by the names of their classes, so that nothing is imported."""

from __future__ import annotations

import functools
from pathlib import Path

from detent.pipeline.artifacts import ARROW, FILE, FOLDER, NPY, PANDAS, PARQUET

# (top package, class) -> kind
KINDS_BY_CLASS = {
    ("polars", "DataFrame"): PARQUET,
    ("pandas", "DataFrame"): PANDAS,
    ("pyarrow", "Table"): ARROW,
    ("numpy", "ndarray"): NPY,
}
_ADVICE = {
    ("polars", "LazyFrame"): "call .collect() first",
    ("polars", "Series"): "return series.to_frame()",
    ("pandas", "Series"): "return series.to_frame()",
    ("pandas", "Index"): "return index.to_frame()",
    ("pandas", "Timestamp"): "return moment.to_pydatetime()",
    ("pyarrow", "RecordBatch"): "return pyarrow.Table.from_batches([batch])",
    ("pyarrow", "ChunkedArray"): "put it into a pyarrow.Table",
    ("torch", "Tensor"): "return tensor.numpy()",
    ("collections", "defaultdict"): "return dict(value)",
    ("collections", "Counter"): "return dict(value)",
    ("collections", "OrderedDict"): "return dict(value), or a list of pairs when the order matters",
    ("builtins", "generator"): "return list(...) of it",
    ("builtins", "bytearray"): "return bytes(value)",
}
_ESTIMATORS = ("sklearn", "lightgbm", "xgboost", "catboost", "torch")
_ESTIMATOR_FIX = (
    "return a detent.training.Model (detent.training.lightgbm and detent.training.sklearn make one), which opens the "
    "same everywhere; or annotate the step `-> Pickled[...]`, and the parameters that take it, to have it pickled"
)


@functools.lru_cache(maxsize=1024)
def blob_kind(kind: type) -> str | None:
    """Return how values of a class are stored as blobs of their own; None for those that go into JSON.

    A subclass of a frame or an array is not taken for one: it would come back as the plain class.
    """
    names = _names(kind)
    if names[0] in KINDS_BY_CLASS:
        return KINDS_BY_CLASS[names[0]]
    if issubclass(kind, Path):
        return FILE  # a folder when it is one
    if callable(getattr(kind, "save", None)) and callable(getattr(kind, "load", None)):
        return FOLDER
    return None


def advice(kind: type) -> tuple[str, str] | None:
    """Return (why, fix) for a class that has no stored form, when there is something better to say than that."""
    names = _names(kind)
    for name in names[1:]:
        if name in KINDS_BY_CLASS:
            return f"it would come back as a plain {name[0]}.{name[1]}", f"return a plain {name[0]}.{name[1]}"
    for name in names:
        if name in _ADVICE:
            return "it has no stored form that comes back as it was", _ADVICE[name]
        if name[0] in _ESTIMATORS:
            return (
                f"an object of {name[0]} has no stored form but a pickle, and a pickle can run any code",
                _ESTIMATOR_FIX,
            )
    return None


def _names(kind: type) -> list[tuple[str, str]]:
    return [(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__]
