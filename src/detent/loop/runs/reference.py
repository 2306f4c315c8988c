"""Make the reference of a model while its rows are at hand, and read it where live rows are compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.codec import profile_from_json, signature_from_json
from detent.bundle.files import REFERENCE_NAME
from detent.bundle.protocol import Predictor
from detent.errors import DetentError
from detent.loop.classes import shown, told_at_training
from detent.loop.runs.reference_rows import Clock, EvaluationRows, clock_of, inputs_of, scored
from detent.records.signature import PROBABILITIES
from detent.statistics import reference as references
from detent.statistics.calibrator import isotonic
from detent.statistics.cbpe_classes import fit_chances
from detent.statistics.chances import Chances
from detent.statistics.columns import Column
from detent.statistics.counting import Tally, places
from detent.statistics.dispersion import dispersion, dispersion_of_means
from detent.statistics.dle import LOSSES
from detent.statistics.granules import Granule, count, granule_of
from detent.statistics.intervals import bootstrap, z_value
from detent.statistics.layout import OUTPUT, PROBABILITY, Layout, layout_of
from detent.statistics.loss_fit import fit_loss
from detent.statistics.metrics import BINARY, CLASSES, REGRESSION, metrics_of
from detent.statistics.metrics_classes import distance
from detent.statistics.reference import HOURS, Calibrator, Loss, LossModel, Quality, Reference, loss_of

RESERVOIR_NAME = "reservoir.parquet"
SEASON_DAYS = 28  # a season is known from four weeks on
_PERMUTED = 2_000  # rows that show which inputs move the score
_RESAMPLES = 400
_SURE = 0.99
_BOUND = 0.99  # of the errors of a value: what lies beyond counts as 1
_METRICS = {
    PROBABILITY: ("roc_auc", "log_loss", "brier"),
    "value": ("rmse", "mae"),
    PROBABILITIES: ("accuracy", "log_loss", "brier", "roc_auc_ovr"),
}
_TASKS = {PROBABILITY: BINARY, "value": REGRESSION, PROBABILITIES: CLASSES}


def build_reference(
    predictor: Predictor,
    train: pl.DataFrame,
    evaluation: pl.DataFrame,
    *,
    time: str | None,
    target: str,
    seed: int,
    slices: Sequence[str] = (),
    metrics: Sequence[str] = (),
) -> Reference:
    """Return what live rows will be compared with.

    Bins, seasons and dispersion are of the training rows; scores, calibration, loss and quality of the evaluation rows,
    on which the model's scores are no more extreme than they will be.

    Args:
        predictor: the packed model.
        train: its training rows: inputs, label and time.
        evaluation: rows that it was not fitted on.
        time: column with the time of a row (UTC); None: neither seasons nor the dispersion of days is known.
        target: column with the label.
        seed: of the bootstrap and of what decides which inputs matter.
        slices: inputs whose most frequent levels are counted apart.
        metrics: what is followed live, besides the usual ones.

    Raises:
        PredictionError: the model fails on these rows.
        DetentError: slices name a column that has no levels.
    """
    signature = predictor.signature
    rows = EvaluationRows(predictor, evaluation, target)
    kinds = [(field.name, field.kind) for field in signature.inputs]
    inputs = inputs_of(train, predictor)
    calibrator = _calibrator(rows, signature.output)
    layout = layout_of(
        {**inputs.to_dict(), OUTPUT: shown(rows.score)},
        kinds,
        output=signature.output,
        slices=_sliceable(slices, inputs),
        breakpoints=() if calibrator is None else calibrator.x,
    )
    clock, later = clock_of(train, time), clock_of(evaluation, time)
    known = clock is not None and len(np.unique(clock.days)) >= SEASON_DAYS
    return Reference(
        layout=layout,
        inputs=count(layout, inputs.to_dict()),
        scores=count(layout, rows.inputs.to_dict(), shown(rows.score)),
        seasons=_seasons(layout, inputs, clock) if clock is not None and known else (),
        inflation=() if clock is None else _inflation(layout, predictor, inputs, clock, seasonal=known),
        importance=_importance(rows, seed),
        calibrator=calibrator,
        loss=_loss(rows, signature.output, later),
        quality=_quality(rows, dict.fromkeys((*_METRICS[signature.output], *metrics)), seed),
        extra=_classes_told(rows, later),
        losses=_losses(rows, layout, later) if signature.output == "value" else (),
        chances=_chances(rows, later) if signature.output == PROBABILITIES else None,
    )


def write_reference(
    folder: Path, reference: Reference, train: pl.DataFrame | None = None, *, seed: int = 0, keep_rows: int = 10_000
) -> None:
    """Write `reference.bin` into a folder that becomes a bundle, and some training rows as `reservoir.parquet`.

    Args:
        folder: before `pack`.
        reference: what to write.
        train: the training rows; None: none are kept.
        seed: chooses the rows.
        keep_rows: most rows that are kept; 0: none, for data that must not leave the place it is trained at.
    """
    (folder / REFERENCE_NAME).write_bytes(references.to_bytes(reference))
    if train is not None and keep_rows > 0 and train.height:
        names = [axis.name for axis in reference.layout.axes[:-1] if axis.name in train.columns]
        chosen = np.random.default_rng(seed).permutation(train.height)[:keep_rows]
        train.select(names)[np.sort(chosen).tolist()].write_parquet(folder / RESERVOIR_NAME)


def read_reference(folder: Path) -> Reference:
    """Return the reference of an unpacked bundle; of an older one, what its profile tells.

    Raises:
        TamperedError: the file is damaged.
    """
    path = folder / REFERENCE_NAME
    with suppress(FileNotFoundError):
        found = path.stat()
        return _read(path, found.st_mtime_ns, found.st_size)
    signature = signature_from_json((folder / "signature.json").read_bytes())
    return references.from_profile(profile_from_json((folder / "profile.json").read_bytes()), output=signature.output)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> Reference:
    """Decode a file; each look at a window asks for the same one."""
    del changed, size  # they tell a file from the one that lay there before
    return references.from_bytes(path.read_bytes())


def read_reservoir(folder: Path) -> pl.DataFrame | None:
    """Return the kept training rows of an unpacked bundle; None when none were kept."""
    path = folder / RESERVOIR_NAME
    return pl.read_parquet(path) if path.is_file() else None


def _sliceable(slices: Sequence[str], inputs: pl.DataFrame) -> tuple[str, ...]:
    missing = [name for name in slices if name not in inputs.columns]
    if missing:
        raise DetentError(
            what=f"rows can't be sliced by `{missing[0]}`",
            why=f"it is no input of the model; those are {', '.join(inputs.columns)}",
            fix="name inputs with levels in `monitor.slices`",
        )
    return tuple(slices)


def _calibrator(rows: EvaluationRows, output: str) -> Calibrator | None:
    y, score = rows.judged
    return isotonic(score, y) if output == PROBABILITY and len(np.unique(y)) == 2 else None


def _seasons(layout: Layout, inputs: pl.DataFrame, clock: Clock) -> tuple[Granule, ...]:
    """Return the counts of each hour of the week; the rows are read once, in order of these hours."""
    tally, order = Tally(layout.coarse()), np.argsort(clock.hours, kind="stable")
    rows = tally.read(inputs[order].to_dict())
    ends = clock.hours[order].searchsorted(np.arange(HOURS + 1)).tolist()
    found = []
    for start, end in pairwise(ends):
        tally.reset()
        tally.add_rows(rows, start, end)
        found.append(granule_of(tally))
    return tuple(found)


def _inflation(
    layout: Layout, predictor: Predictor, inputs: pl.DataFrame, clock: Clock, *, seasonal: bool
) -> tuple[tuple[str, float], ...]:
    """Return the dispersion of days, per input and of the scores; these over bins of their own on these rows."""
    score = shown(scored(predictor, inputs))
    own = layout_of({OUTPUT: score}, []).coarse()
    hours = clock.hours if seasonal else None
    columns: dict[str, Column] = {**inputs.to_dict(), OUTPUT: score}
    return tuple(
        (axis.name, dispersion(places(axis, columns[axis.name]), clock.days, hours))
        for axis in (*layout.coarse().axes[:-1], *own.axes)
    )


def _importance(rows: EvaluationRows, seed: int) -> tuple[tuple[str, float], ...]:
    """Return each input's share of the mean change of the score when its values are dealt out anew (Breiman 2001)."""
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(rows.score))[:_PERMUTED])
    some, before = rows.inputs[chosen], rows.score[chosen]
    moved = {}
    for name in some.columns:
        dealt = some.with_columns(some[name][generator.permutation(some.height)])
        gaps = np.abs(scored(rows.predictor, dealt) - before).reshape(some.height, -1).sum(axis=1)
        moved[name] = float(gaps[np.isfinite(gaps)].mean()) if np.isfinite(gaps).any() else 0.0
    whole = sum(moved.values())
    return tuple((name, change / whole if whole > 0.0 else 1.0 / len(moved)) for name, change in moved.items())


def _loss(rows: EvaluationRows, output: str, clock: Clock | None) -> Loss | None:
    y, score = rows.judged
    if not len(y):
        return None
    if output == PROBABILITIES:
        y, score = np.zeros(len(y)), distance(y, score)
    squared = output != "value"
    bound = 1.0 if squared else float(np.quantile(np.abs(y - score), _BOUND)) or 1.0
    losses = loss_of(y, score, bound=bound, squared=squared)
    wider = 1.0 if clock is None else dispersion_of_means(losses, clock.days[rows.known])
    mean = float(losses.mean())
    upper = mean + z_value(_SURE) * float(np.sqrt(losses.var() * wider / len(losses)))
    return Loss(mean=mean, upper=min(1.0, upper), bound=bound, squared=squared)


def _classes_told(rows: EvaluationRows, clock: Clock | None) -> tuple[tuple[str, str], ...]:
    classes = rows.predictor.signature.classes
    if not classes:
        return ()
    return (told_at_training(rows.score, classes, None if clock is None else clock.days),)


def _losses(rows: EvaluationRows, layout: Layout, clock: Clock | None) -> tuple[LossModel, ...]:
    """Return what estimates the errors of a model's values without labels; rows in order of time, if it is known."""
    y, score = rows.judged
    order = _in_time(rows, clock)
    inputs = rows.inputs.filter(rows.known)[order.tolist()]
    days = clock.days[rows.known][order] if clock is not None else None
    columns: dict[str, Column] = {**inputs.to_dict(), OUTPUT: score[order]}
    fits = (fit_loss(layout, columns, y[order], score[order], metric=metric, days=days) for metric in LOSSES)
    return tuple(found for found in fits if found is not None)


def _chances(rows: EvaluationRows, clock: Clock | None) -> Chances | None:
    """Return how probable each class really is where the model gives it some probability."""
    y, score = rows.judged
    order = _in_time(rows, clock)
    return fit_chances(y[order], score[order])


def _in_time(rows: EvaluationRows, clock: Clock | None) -> NDArray[np.intp]:
    """Return the judged rows in order of their days; as they are, where no time is known."""
    return np.arange(int(rows.known.sum())) if clock is None else np.argsort(clock.days[rows.known], kind="stable")


def _quality(rows: EvaluationRows, names: Mapping[str, None], seed: int) -> tuple[Quality, ...]:
    """Return the metrics that have a value on these rows."""
    known = metrics_of(_TASKS[rows.predictor.signature.output])
    y, score = rows.judged
    found = []
    for name in names:
        if name not in known:
            continue
        try:
            value = bootstrap(known[name], y, score, confidence=0.95, seed=seed, repeats=_RESAMPLES)
        except DetentError:  # one class, or another task's metric
            continue
        found.append(Quality(metric=name, value=value.value, low=value.low, high=value.high))
    return tuple(found)
