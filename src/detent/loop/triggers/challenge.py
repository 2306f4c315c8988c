"""A cheap challenger: would a model of recent rows be better at all?

Small trees with fixed parameters are fitted on the older part of what was answered and labelled lately, and compared
with the champion's own answers on the newer part. It sees far fewer rows than a training would, so when even this one
is better, a training is worth its price; the gate judges what comes of it.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from detent import plugins
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.errors import DataError, StepError
from detent.loop.champion import CHAMPION, bundle_folder
from detent.loop.scores import predictor_of
from detent.loop.triggers.same_rows import answered, compared, loss, scores
from detent.loop.workspace import Workspace
from detent.predictions import expand_inputs
from detent.predictions.usable import usable
from detent.registry import aliases, versions
from detent.trigger.signals import Compared

RECENT = timedelta(days=60)
MOST = 20_000  # newest labelled rows that are looked at
NEWER = 0.3  # share of them that is compared
LEAST = 200  # rows below which nothing is fitted
PARAMS = {"num_iterations": 60, "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20}
UNKNOWN = Compared(version=None, rows=0, gain=0.0, low=0.0)  # nobody can tell


def challenge(ws: Workspace) -> Compared:
    """Fit a challenger and compare it with the champion on the newest labelled rows; no rows when nobody can tell."""
    champion = aliases.current(ws.db, ws.model, CHAMPION)
    if champion is None or ws.project.target.classes:
        return UNKNOWN
    now = ws.now()
    signature = predictor_of(bundle_folder(ws, versions.get(ws.db, ws.model, champion))).signature
    rows = answered(ws, None, now - RECENT, now, labelled=True, most=MOST)
    if rows.height < LEAST:
        return UNKNOWN
    rows = usable(rows, signature).rows
    cut = round(rows.height * (1 - NEWER))
    older, newer = rows[:cut], rows[cut:].filter(pl.col("version") == champion)
    if older.height < LEAST or newer.is_empty():
        return UNKNOWN
    label = _free_name(signature.inputs[0].name, {field.name for field in signature.inputs})
    frame = expand_inputs(older, signature).with_columns(older["label"].alias(label))
    try:
        model = plugins.load("trainer", "lightgbm")(
            frame, label=label, task=ws.project.target.task, seed=ws.project.simulate.seed, params=PARAMS
        )
    except (DataError, StepError):
        return UNKNOWN  # labels of one class, for example
    theirs = scores(OnnxPredictor(model.onnx, model.signature), newer)
    if np.isnan(theirs).any():
        return UNKNOWN
    ours = loss(ws, newer["score"], newer["label"])
    return compared(ours, loss(ws, theirs, newer["label"]), newer["entity"], None)


def _free_name(first: str, taken: set[str]) -> str:
    name = "label"
    while name in taken:
        name = f"{first}_{name}"
    return name
