"""What goes into a bundle beside a model that was made elsewhere: signature, reference profile and golden rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detent import plugins
from detent.bundle import codec
from detent.bundle.golden import MAX_ROWS
from detent.bundle.protocol import Golden, PredictionError, Predictor
from detent.errors import RefusedError
from detent.loop.classes import shown
from detent.loop.scores import columns_of
from detent.records.signature import Signature
from detent.statistics.summaries import summarise
from detent.training.golden import choose_golden, score_golden
from detent.training.table import OUTPUT, Table

_CHUNK = 1_000  # rows of a call: a remote server or a confined process has limits
_SLACK = 1e-6  # float32 arithmetic may leave a probability this far outside 0..1


def describe(folder: Path, predictor_name: str, table: Table) -> Signature:
    """Write `signature.json`, `profile.json` and `golden.json` for the model in `folder`, and return the signature.

    Whether it takes nulls and unseen categories, the model itself shows: inputs of one that does not may not be null.

    Raises:
        RefusedError: the model can't be loaded, or gives no probabilities where they are asked for.
        PredictionError: it fails on the training rows.
    """
    opener = plugins.load("predictor", predictor_name)
    signature = table.signature
    predictor = opener.open(folder, signature)
    try:
        scores = _scores(predictor, table)
        golden = _golden(predictor, table, scores)
        if golden is None:
            strict = tuple(replace(one, nullable=table.inputs[one.name].null_count() > 0) for one in signature.inputs)
            signature = replace(signature, inputs=strict)
            close(predictor)
            predictor = opener.open(folder, signature)
            golden = _golden(predictor, table, scores) or _seen_only(predictor, table, scores)
    finally:
        close(predictor)
    kinds = [(one.name, one.kind) for one in signature.inputs]
    observed: dict[str, Any] = {name: table.inputs[name] for name, _ in kinds}
    profile = summarise({**observed, OUTPUT: shown(scores)}, [*kinds, (OUTPUT, "number")], bins=20, levels=50)  # pyright: ignore[reportArgumentType]
    (folder / "signature.json").write_bytes(codec.signature_to_json(signature))
    (folder / "profile.json").write_bytes(codec.profile_to_json(profile))
    (folder / "golden.json").write_bytes(codec.golden_to_json(golden))
    return signature


def _scores(predictor: Predictor, table: Table) -> NDArray[np.float64]:
    names = [one.name for one in predictor.signature.inputs]
    parts = [predictor.predict(columns_of(part, names)) for part in table.inputs.iter_slices(_CHUNK)]
    scores = np.concatenate(parts)
    known = scores[np.isfinite(scores)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    if predictor.signature.output != "value" and not -_SLACK <= low <= high <= 1 + _SLACK:
        raise RefusedError(
            what="the model gives no probabilities",
            why=f"its answers to the training rows lie between {low:.4g} and {high:.4g}",
            fix="export it with its last step, the sigmoid, inside",
        )
    return scores


def _golden(predictor: Predictor, table: Table, scores: NDArray[np.float64]) -> Golden | None:
    """Return golden rows, among them one of nulls and one of unseen categories; None when the model fails on those."""
    try:
        return choose_golden(table.inputs, scores, predictor)
    except PredictionError:
        return None


def _seen_only(predictor: Predictor, table: Table, scores: NDArray[np.float64]) -> Golden:
    order = np.argsort(shown(scores), kind="stable")
    spread = np.unique(np.linspace(0, len(order) - 1, min(MAX_ROWS, len(order))).round().astype(np.int64))
    rows = [list(row) for row in table.inputs[order[spread].tolist()].rows()]
    return score_golden(predictor.signature, rows, predictor)


def close(predictor: Predictor) -> None:
    """Let go of the process or the connection that some predictors hold."""
    let_go = getattr(predictor, "close", None)
    if let_go is not None:
        let_go()
