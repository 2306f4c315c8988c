"""Models that are code (pickle, joblib, MLflow pyfunc), in a confined process of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from detent.bundle.predictors.columns import Columns, count_rows, values_of
from detent.bundle.sandbox.frames import Question, Start
from detent.bundle.sandbox.process import Sandbox
from detent.bundle.trust import folder_digest, read_trust
from detent.errors import DataError, Place, RefusedError
from detent.records.project import Trust
from detent.records.signature import STRING, Field, Signature

FOLDER = "model"  # of the bundle: an MLflow model, or one pickle


class SandboxPredictor:
    """One model in a process that computes and does nothing else; the process starts with the first call."""

    def __init__(self, folder: Path, signature: Signature, *, trust: Trust) -> None:
        check_allowed(folder, trust)
        self.signature = signature
        start = Start(str(folder.resolve()), signature.inputs, signature.output == "probability", trust.memory)
        self._sandbox = Sandbox(start, deadline=trust.deadline)

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> SandboxPredictor:
        """Take the bundle's folder `model`, if the bundle's policy names its digest."""
        return cls(folder / FOLDER, signature, trust=read_trust(folder))

    @property
    def limits(self) -> tuple[str, ...]:
        """What this system could not forbid the process, in words; known after the first call."""
        return self._sandbox.limits

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Return one score per row; see `Predictor.predict`."""
        rows = count_rows(columns, self.signature)
        if rows == 0:
            return np.empty(0, dtype=np.float64)
        plain = {field.name: _plain(field, columns, rows) for field in self.signature.inputs}
        return np.frombuffer(self._sandbox.ask(Question(plain, rows)), dtype=np.float64)

    def close(self) -> None:
        """End the process."""
        self._sandbox.close()


def model_folder(folder: Path) -> Path:
    """Return what the policy must name: the only file when it is a pickle, else the folder."""
    files = list(folder.iterdir()) if folder.is_dir() else []
    return files[0] if len(files) == 1 and files[0].is_file() and files[0].name != "MLmodel" else folder


def check_allowed(folder: Path, trust: Trust) -> None:
    """Refuse a model that is code unless the policy names its digest.

    Raises:
        RefusedError: with the digest, and how to allow it.
    """
    if not folder.is_dir():
        raise RefusedError(
            what="the bundle holds no model",
            why=f"there is no folder `{FOLDER}` in it",
            fix="make the bundle again: detent import",
            where=Place(file=FOLDER),
        )
    digest = folder_digest(model_folder(folder))
    if digest not in trust.pickles:
        raise RefusedError(
            what="this model is a program, and the project does not allow it to run",
            why=f"a pickle or pyfunc model runs code when it is read; the digest of this one is {digest}",
            fix=f"if you trust who made it, add to detent.yaml: `trust: {{pickles: [{digest}]}}` and import it again; "
            "better, export it as ONNX or skops",
            where=Place(file="detent.yaml", field="trust.pickles"),
        )


def _plain(field: Field, columns: Columns, rows: int) -> Any:
    values = values_of(field, columns, rows)
    listed = (
        values if type(values) is list else list(cast("Any", values).tolist() if hasattr(values, "tolist") else values)
    )
    text = field.kind == STRING
    for value in listed:
        if value is not None and isinstance(value, str) != text and not (text and value != value):
            raise DataError(
                what=f"column `{field.name}` does not fit the model",
                why=f"a value is a {type(value).__name__}",
                fix="send text or null" if text else "send numbers, booleans or null",
                where=Place(file="inputs", field=field.name),
            )
    return [None if value is None or value != value else value for value in listed]
