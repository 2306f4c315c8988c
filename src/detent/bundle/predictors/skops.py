"""scikit-learn models as skops files: data that names types, of which only listed ones are made."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io  # pyright: ignore[reportMissingImports]  (an extra)
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from skops.io.exceptions import UntrustedTypesFoundException  # pyright: ignore[reportMissingImports]

from detent.bundle.archive import open_archive
from detent.bundle.files import read_model
from detent.bundle.predictors.columns import (
    Columns,
    block,
    count_rows,
    one_per_row,
    raised,
    same_names,
    table_of,
    unloadable,
    values_of,
)
from detent.bundle.trust import read_trust
from detent.errors import Place, RefusedError
from detent.records.signature import STRING, Field, Signature

FILE = "model.skops"
# What a damaged or hostile file makes skops raise while it builds the tree.
_LOAD_FAULTS = (
    *(ValueError, TypeError, KeyError, AttributeError, ImportError, IndexError, RecursionError, OSError),
    *(EOFError, zipfile.BadZipFile, NotImplementedError),
)
_RUN_FAULTS = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, NotFittedError)


class SkopsPredictor:
    """One scikit-learn estimator or pipeline, on one thread.

    Numbers only: it sees a matrix in the order of the signature. With text, or with columns that a ColumnTransformer
    picks by name, it sees a pandas frame, which costs some hundred microseconds.
    """

    def __init__(self, model: bytes, signature: Signature, *, types: Sequence[str]) -> None:
        self._model = _load(model, types)
        self.signature = signature
        wanted = "predict" if signature.output == "value" else "predict_proba"
        self._call = getattr(self._model, wanted, None)
        if self._call is None:
            raise unloadable(FILE, f"{type(self._model).__name__} has no `{wanted}`", "train an estimator that has it")
        _check_classes(classes_of(self._model), signature)
        same_names(names_of(self._model), signature, FILE)
        self._fields = signature.inputs
        self._frame = any(f.kind == STRING for f in signature.inputs) or _picks_by_name(self._model)
        if not self._frame:
            _forget_names(self._model)
        for part in _parts(self._model):
            if getattr(part, "n_jobs", None) is not None:
                part.n_jobs = 1  # pyright: ignore[reportAttributeAccessIssue]  (looked for)

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> SkopsPredictor:
        """Load `model.skops` with the types that the bundle's policy lists."""
        return cls(read_model(folder / FILE), signature, types=read_trust(folder).types)

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        classes = len(self.signature.classes)
        if rows == 0:
            return np.empty((0, classes) if classes else 0, dtype=np.float64)
        data = self._as_frame(columns, rows) if self._frame else block(columns, self._fields, rows).T
        assert self._call is not None
        try:
            given = self._call(data)
        except _RUN_FAULTS as error:
            raise raised(error) from error
        if classes:
            return table_of(given, rows, classes)
        return one_per_row(given, rows, probability=self.signature.output == "probability")

    def _as_frame(self, columns: Columns, rows: int) -> pd.DataFrame:
        return pd.DataFrame({field.name: _column(field, columns, rows) for field in self._fields})


def untrusted_types(data: bytes) -> list[str]:
    """Return the types in a skops file that neither skops trusts by itself; nothing is made.

    Raises:
        RefusedError: it is no skops file.
    """
    open_archive(data, FILE).close()
    try:
        return skops.io.get_untrusted_types(data=data)
    except _LOAD_FAULTS as error:
        raise _broken(error) from error


def fitted_names(data: bytes, types: Sequence[str]) -> tuple[str, ...]:
    """Return the names that the estimator in a skops file was fitted with, in order; () when it saw a plain matrix.

    Raises:
        RefusedError: it is no skops file, or is made of types that are not listed.
    """
    return names_of(_load(data, types))


def names_of(model: object) -> tuple[str, ...]:
    """Return the names that an estimator was fitted with, in order; () when it saw a plain matrix."""
    return tuple(str(name) for name in getattr(model, "feature_names_in_", ()))


def fitted_classes(data: bytes, types: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of the estimator in a skops file as text, in its order; () of a regressor.

    Raises:
        RefusedError: it is no skops file, or is made of types that are not listed.
    """
    return classes_of(_load(data, types))


def classes_of(model: object) -> tuple[str, ...]:
    """Return the classes that an estimator tells apart, as text, in its order; () of a regressor."""
    return tuple(str(name) for name in getattr(model, "classes_", ()))


def _check_classes(classes: tuple[str, ...], signature: Signature) -> None:
    if signature.output == "probability" and len(classes) != 2:
        raise unloadable(FILE, f"its classes are {list(classes)}", "train it on two classes")
    if signature.classes and classes != signature.classes:
        raise unloadable(FILE, f"its classes are {list(classes)}, its signature says {list(signature.classes)}")


def _load(data: bytes, types: Sequence[str]) -> Any:
    foreign = sorted(set(untrusted_types(data)) - set(types))
    if foreign:
        raise RefusedError(
            what="the model is made of types that the project does not trust",
            why=f"{', '.join(foreign[:10])}: making an object of a type runs its code",
            fix="look at them; to allow them, list them in detent.yaml under `trust: {types: [...]}` and import again",
            where=Place(file=FILE, field="trust.types"),
        )
    try:
        model = skops.io.loads(data, trusted=list(types))
    except UntrustedTypesFoundException as error:
        raise _broken(error) from error
    except _LOAD_FAULTS as error:
        raise _broken(error) from error
    if not isinstance(model, BaseEstimator):
        raise unloadable(FILE, f"it holds a {type(model).__name__}", "save the fitted estimator itself")
    return model


def _parts(model: object) -> Iterator[object]:
    """Yield an estimator and those inside it."""
    yield model
    if isinstance(model, BaseEstimator):
        for value in model.get_params(deep=True).values():
            if isinstance(value, BaseEstimator):
                yield value
        for _, part in getattr(model, "steps", ()):
            if isinstance(part, BaseEstimator):
                yield part


def _picks_by_name(model: object) -> bool:
    return any(isinstance(part, ColumnTransformer) for part in _parts(model))


def _forget_names(model: object) -> None:
    """Without names it takes a plain matrix in silence; the order was checked."""
    for part in _parts(model):
        if "feature_names_in_" in vars(part):
            del part.feature_names_in_  # pyright: ignore[reportAttributeAccessIssue]  (looked for)


def _column(field: Field, columns: Columns, rows: int) -> Any:
    if field.kind == STRING:
        return np.array([*values_of(field, columns, rows), None], dtype=object)[:-1]  # null stays None, as fitted
    return block(columns, (field,), rows)[0]


def _broken(error: BaseException) -> RefusedError:
    return unloadable(
        FILE, f"{type(error).__name__}: {error}", "write it with `skops.io.dump(model, path)`, and take it whole"
    )
