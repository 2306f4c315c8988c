"""Another model on the very rows that the champion answered: is it better beyond chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import sqrt
from statistics import NormalDist
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.publish import fetch
from detent.loop import places
from detent.loop.classes import one_score
from detent.loop.scores import columns_of, predictor_of
from detent.loop.workspace import Workspace
from detent.predictions import expand_inputs, join, labels_of, read
from detent.predictions.usable import usable
from detent.records.signature import Signature
from detent.registry import versions
from detent.trigger.signals import Compared

MOST = 5_000  # newest rows that are compared
LEAST = 100  # rows below which nothing is said
BATCH = 256  # rows of one call
_ONE_SIDED = NormalDist().inv_cdf(0.95)


class Scorer(Protocol):
    """A model that can be asked."""

    @property
    def signature(self) -> Signature:
        """Its inputs and what it gives."""
        ...

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        """Return one score per row."""
        ...


def previous_on_same_rows(
    ws: Workspace, *, champion: int, previous: int, start: datetime, end: datetime, failures: bool
) -> Compared | None:
    """Compare the version before with the champion's own live answers of a span; None when too few rows tell.

    Args:
        ws: the project.
        champion: the version whose answers count.
        previous: the version that is asked again.
        start: first moment.
        end: the moment before which rows lie.
        failures: compare who failed to answer; else the loss of answers against their labels.
    """
    if ws.project.target.classes and not failures:
        return None  # nobody can tell: losses of several classes are compared by rollouts only
    rows = answered(ws, champion, start, end, labelled=not failures)
    if rows.height < LEAST:
        return None
    version = versions.get(ws.db, ws.model, previous)
    other = one_score(predictor_of(fetch(version.digest, ws.blobs, places.bundles(ws.state))))
    rows = usable(rows, other.signature).rows
    if rows.height < LEAST:
        return None
    theirs = scores(other, rows)
    if failures:
        lost, kept = rows["score"].is_null().to_numpy().astype(float), np.isnan(theirs).astype(float)
        return compared(lost, kept, rows["entity"], previous)
    if np.isnan(theirs).any():
        return None  # a version that fails on these rows is nothing to go back to
    return compared(loss(ws, rows["score"], rows["label"]), loss(ws, theirs, rows["label"]), rows["entity"], previous)


def answered(
    ws: Workspace, version: int | None, start: datetime, end: datetime, *, labelled: bool, most: int = MOST
) -> pl.DataFrame:
    """Return the newest live rows of a span, oldest first, with `label` (null: unknown) and the answer as `score`.

    `version`: whose rows; None: everybody's. With `labelled` only rows that were answered and have their label.
    """
    mine = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
    rows = read(ws.state, start, end, where=mine if version is None else mine & (pl.col("version") == version))
    rows = rows.sort("time", "entity", "version")  # ids differ between runs with one seed
    if labelled:
        rows = join(rows, labels_of(ws.db, rows["id"]), now=ws.now())
        rows = rows.filter(pl.col("label").is_not_null() & pl.col("score").is_not_null())
    return rows.tail(most)


def scores(model: Scorer, rows: pl.DataFrame) -> NDArray[np.float64]:
    """Ask a model again; NaN where it raises or gives no number."""
    inputs = expand_inputs(rows, model.signature)
    found = np.full(rows.height, np.nan)
    for start in range(0, rows.height, BATCH):
        batch = inputs[start : start + BATCH]
        given = _try(model, batch)
        if given is None:  # one bad row must not hide what the model says about the others
            alone = [_try(model, batch[at : at + 1]) for at in range(batch.height)]
            given = np.array([np.nan if one is None else one[0] for one in alone])
        found[start : start + batch.height] = given
    return found


def _try(model: Scorer, rows: pl.DataFrame) -> NDArray[np.float64] | None:
    try:
        given = np.asarray(model.predict(columns_of(rows, rows.columns)), dtype=np.float64)
    except Exception:  # noqa: BLE001  (a model may raise anything; that is what is being found out)
        return None
    return given if len(given) == rows.height and np.isfinite(given).all() else None


def loss(ws: Workspace, score: pl.Series | NDArray[np.float64], label: pl.Series) -> NDArray[np.float64]:
    """Return (score - label)^2 for probabilities, |score - label| otherwise, as rollouts compare versions."""
    error = np.asarray(score, dtype=np.float64) - label.to_numpy()
    return error**2 if ws.project.target.task == "binary" else np.abs(error)


def compared(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], entities: pl.Series, version: int | None
) -> Compared:
    """Return how much lower their mean loss is, with its one-sided 95 % bound on the same rows.

    Rows of one caller are not independent, so differences are summed per caller before their variance is taken
    (Liang and Zeger 1986, with the factor G / (G - 1)).
    """
    difference = ours - theirs
    gain, rows = float(difference.mean()), len(difference)
    sums = pl.DataFrame({"entity": entities, "off": difference - gain}).group_by("entity").agg(pl.col("off").sum())
    groups = sums.height
    spread = float((sums["off"] ** 2).sum()) * groups / max(1, groups - 1)
    low = gain - _ONE_SIDED * sqrt(spread) / rows if groups > 1 else -abs(gain)  # one caller is no sample
    return Compared(version=version, rows=rows, gain=gain, low=low)
