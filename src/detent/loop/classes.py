"""Classes by name: labels as places among them, and probabilities in the order that a project has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.codec import signature_from_json
from detent.bundle.protocol import Predictor
from detent.errors import Place, ProjectError, did_you_mean
from detent.records.project import Project, Target
from detent.records.signature import Signature
from detent.statistics.dispersion import dispersion
from detent.statistics.metrics_classes import distance
from detent.store.classes import numbers_of

Floats = NDArray[np.float64]

TOLD = "classes"  # name of what a reference keeps beside it: how often each class was answered


def truth_of(labels: pl.Series, classes: Sequence[str] = ()) -> Floats:
    """Return labels as metrics take them, (rows,): numbers, or the places of the classes; NaN: unknown."""
    if not classes:
        return labels.cast(pl.Float64).fill_null(np.nan).to_numpy()
    places = {name: float(place) for place, name in enumerate(classes)}
    return np.array([places.get(str(name), np.nan) for name in labels], dtype=np.float64)


def in_order(score: Floats, had: Sequence[str], wanted: Sequence[str]) -> Floats:
    """Return probabilities (rows, classes) in another order of classes; a class that the model never saw has 0."""
    if tuple(had) == tuple(wanted):
        return score
    found = np.zeros((len(score), len(wanted)))
    for place, name in enumerate(wanted):
        if name in had:
            found[:, place] = score[:, list(had).index(name)]
    return found


def shown(score: Floats) -> Floats:
    """Return one number per row for profiles: the score, or of several classes how sure the answer is."""
    return score if score.ndim == 1 else score.max(axis=1)


def require_output(target: Target, signature: Signature) -> None:
    """Refuse a model whose output is not what the project predicts.

    Raises:
        ProjectError: it gives classes and the project has none, or the other way round, or it knows a class that is
            not declared.
    """
    require_kind(target, signature, "the model", fix=f'train it with task="{target.task}", or change `target.task`')
    foreign = [name for name in signature.classes if name not in target.classes]
    if foreign:
        raise ProjectError(
            what=f"the model knows the class `{foreign[0]}`, which the project does not declare",
            why=f"declared are {', '.join(target.classes)}",
            fix=f"train on the labels of the data, or declare it; {did_you_mean(foreign[0], target.classes)}",
            where=Place(file="detent.yaml", field="target.classes"),
        )


def require_kind(target: Target, signature: Signature, who: str, *, fix: str) -> None:
    """Refuse a model of several classes where the project has one score per row, and the other way round.

    Raises:
        ProjectError: it is of the other kind.
    """
    if bool(target.classes) == bool(signature.classes):
        return
    raise ProjectError(
        what=f"{who} does not fit a {target.task} task",
        why=f"it gives {'a probability for each of several classes' if signature.classes else 'one score per row'}",
        fix=fix,
        where=Place(file="detent.yaml", field="target.task"),
    )


def refuse_classes(project: Project, what: str) -> None:
    """Refuse what is made for one score per row.

    Raises:
        ProjectError: the project has several classes.
    """
    if project.target.classes:
        raise ProjectError(
            what=f"{what} is not possible with several classes yet",
            why="it works with one number per prediction and per label",
            fix="live through weeks of faults instead: `detent simulate --seeds 20`; docs/gate.md says what else works",
            where=Place(file="detent.yaml", field="target.task"),
        )


def told_at_training(score: Floats, classes: Sequence[str], days: NDArray[np.int64] | None) -> tuple[str, str]:
    """Return what a reference keeps in `extra`: how often each class was answered on the evaluation rows.

    Args:
        score: (rows, classes) of them.
        classes: names, in this order.
        days: day of each row: days differ more than rows do; None: not known.
    """
    told = score[np.isfinite(score).all(axis=1)].argmax(axis=1)
    known = None if days is None else days[np.isfinite(score).all(axis=1)]
    counts = np.bincount(told, minlength=len(classes)).tolist()
    wider = 1.0 if known is None else dispersion(told.astype(np.int64), known, None)
    return TOLD, json.dumps({"counts": counts, "inflation": wider})


@lru_cache(maxsize=8)
def classes_in(folder: Path) -> tuple[str, ...]:
    """Return the classes of an unpacked bundle, in its order; a folder is named by its content."""
    return signature_from_json((folder / "signature.json").read_bytes()).classes


def logged_scores(scores: pl.Series, had: Sequence[str], wanted: Sequence[str]) -> Floats:
    """Return the logged probabilities of one version, (rows, wanted); NaN for rows without an answer of that width."""
    found = np.full((scores.len(), len(had)), np.nan)
    whole = scores.list.len().eq(len(had)).fill_null(False).to_numpy()
    if whole.any():
        found[whole] = np.array(scores.filter(pl.Series(whole)).to_list(), dtype=np.float64)
    ordered = in_order(found, had, wanted)
    ordered[~whole] = np.nan
    return ordered


def logged_truth(labels: pl.Series, classes: Sequence[str]) -> Floats:
    """Return stored labels, numbers of classes, as places among the classes; NaN: unknown, or none of them."""
    names, places = numbers_of(classes), {name: float(place) for place, name in enumerate(classes)}
    return np.array([places.get(names.get(label, ""), np.nan) for label in labels], dtype=np.float64)


def logged_losses(rows: pl.DataFrame, had: Mapping[int, Sequence[str]], wanted: Sequence[str]) -> pl.Series:
    """Return half the Brier score of each row, 0..1; null where label or answer are missing.

    Args:
        rows: with `version`, `scores` and `label`, as the log and the label store have them.
        had: classes of each version, in its order.
        wanted: classes of the project.
    """
    found = np.full(rows.height, np.nan)
    truth = logged_truth(rows["label"], wanted)
    for version in rows["version"].unique().to_list():
        mine = (rows["version"] == version).to_numpy() & np.isfinite(truth)
        score = logged_scores(rows["scores"].filter(pl.Series(mine)), had.get(version, ()), wanted)
        known = np.isfinite(score).all(axis=1)
        places = np.flatnonzero(mine)[known]
        found[places] = distance(truth[places], score[known]) ** 2
    return pl.Series("loss", found).fill_nan(None)


def one_score(predictor: Predictor) -> Predictor:
    """Return something that gives one number per row: of several classes how sure the answer is."""
    return cast("Predictor", TopProbability(predictor)) if predictor.signature.classes else predictor


class TopProbability:
    """A model of several classes, asked for one number per row: how sure its answer is."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self.signature = predictor, predictor.signature

    def predict(self, columns: Mapping[str, Sequence[object]]) -> Floats:
        """Return the largest probability of each row, (rows,)."""
        return shown(self._predictor.predict(columns))
