"""Controls of the rows themselves, as lines ask: nearly equal and shared ones, labels known later, permuted labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.predictors.onnx import OnnxPredictor
from detent.data.target import with_labels
from detent.errors import DetentError, Place, ProjectError, did_you_mean
from detent.gate.declared import Permuted, Touch
from detent.gate.evidence import plain_column
from detent.loop.classes import in_order, truth_of
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.datasets import Datasets, feature_rows
from detent.loop.workspace import Workspace
from detent.records.check import Check
from detent.training import lightgbm

CELLS = 20  # parts of a standard deviation: numbers in one cell are nearly equal
FEW_INPUTS = 5  # with fewer, rows that agree in all inputs but one are no wonder
RARE = 0.01  # share of training rows that may agree in all inputs but one
MOST_ROWS = 20_000  # of training on permuted labels
TREES: Mapping[str, object] = {"num_iterations": 50, "num_leaves": 15}
_PERMUTE = 0x9E37  # the permutation has a seed of its own: the trainer must not undo it

Keys = NDArray[np.uint64]


def touches(ws: Workspace, candidate: Candidate, datasets: Datasets) -> dict[str, Touch]:
    """Return what the lines `overlap(...)` ask for, by "near", "known_later" and "entities:column".

    Raises:
        ProjectError: a line names a column that the rows don't have, or asks when labels were known and nobody said.
    """
    found: dict[str, Touch] = {}
    for check in (one for one in ws.project.gate if one.kind == "touch"):
        if check.metric == "near":
            found["near"] = _near(ws, candidate)
        elif check.metric == "known_later":
            found["known_later"] = _known_later(ws, candidate, datasets, check)
        else:
            found[f"entities:{check.by}"] = _entities(candidate, check)
    return found


def _near(ws: Workspace, candidate: Candidate) -> Touch:
    inputs = [field.name for field in candidate.signature.inputs]
    train, rows = candidate.train, candidate.evaluation
    known = [name for name in inputs if name in train.columns and name in rows.columns]
    near, within = near_rows(rows, train, known, label=ws.project.target.column)
    key = str(ws.project.source(ws.project.features.rows).key)
    example = str(rows[key][int(np.flatnonzero(near)[0])]) if near.any() and key in rows.columns else ""
    return Touch(
        rows=rows.height, touching=int(near.sum()), train_rows=train.height, train_touching=int(within.sum()),
        example=example,
    )  # fmt: skip


def near_rows(
    rows: pl.DataFrame, train: pl.DataFrame, inputs: Sequence[str], *, label: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows nearly equal a training row, and which training rows nearly equal another one.

    Nearly equal: the same label, and the same values in all inputs, or in all but one where the others still tell
    rows apart: there are five inputs or more, and at most 1 % of the training rows agree in the others. Numbers are
    the same when they lie in one cell of a grid of a 20th of the training rows' standard deviation; a second grid, half
    a cell away, finds neighbours on either side of a border. Linear in the rows.
    """
    near, within = np.zeros(rows.height, dtype=np.bool_), np.zeros(train.height, dtype=np.bool_)
    for offset in (0.0, 0.5):
        ours, theirs = _keys(rows, train, inputs, label, offset)
        for left_out, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            _, index, sizes = np.unique(right, return_inverse=True, return_counts=True)
            repeated = sizes[index] > 1
            if left_out and repeated.mean() > RARE:
                continue  # without this input the others no longer tell rows apart
            near |= np.isin(left, right)
            within |= repeated
    return near, within


def _keys(
    rows: pl.DataFrame, train: pl.DataFrame, inputs: Sequence[str], label: str, offset: float
) -> tuple[list[Keys], list[Keys]]:
    """Return one key per row over all inputs, and one for each input that is left out; of both frames."""
    hashed: tuple[list[Keys], list[Keys]] = ([], [])
    for index, name in enumerate((label, *inputs)):
        for frame, columns in zip((rows, train), hashed, strict=True):
            cells = _cells(frame[name], train[name], offset) if name != label else frame[name]
            columns.append(_hashed(cells, index))
    keys: tuple[list[Keys], list[Keys]] = ([], [])
    for columns, made in zip(hashed, keys, strict=True):
        whole = np.add.reduce(np.stack(columns), axis=0)
        made.append(whole)
        if len(inputs) >= FEW_INPUTS:
            made += [whole - column for column in columns[1:]]
    return keys


def _cells(values: pl.Series, train: pl.Series, offset: float) -> pl.Series:
    if not values.dtype.is_numeric():
        return values
    known = train.cast(pl.Float64)
    spread = known.filter(known.is_finite()).std()
    width = float(spread) / CELLS if isinstance(spread, int | float) and spread > 0.0 else 1.0
    return (values.cast(pl.Float64) / width + offset).floor()


def _hashed(values: pl.Series, seed: int) -> Keys:
    name = values.name
    plain = values.to_frame().select(plain_column(name, values.dtype))
    return plain[name].hash(seed=seed).to_numpy()


def _entities(candidate: Candidate, check: Check) -> Touch:
    name = str(check.by)
    for frame, output in ((candidate.evaluation, "evaluation"), (candidate.train, "train")):
        if name not in frame.columns:
            why = f"the check `{check.text}` names it, and the pipeline's output `{output}` does not have it"
            raise _mistake(check, f"there is no column `{name}`", why, did_you_mean(name, tuple(frame.columns)))
    ours, theirs = (frame[name].cast(pl.String) for frame in (candidate.evaluation, candidate.train))
    shared = ours.is_in(theirs.drop_nulls().unique().implode()).fill_null(False)
    return Touch(
        rows=ours.len(), touching=int(shared.sum()), train_rows=theirs.len(), train_touching=None,
        example=str(ours.filter(shared)[0]) if shared.any() else "",
    )  # fmt: skip


def _known_later(ws: Workspace, candidate: Candidate, datasets: Datasets, check: Check) -> Touch:
    """Count the training rows whose label became known only after the first evaluation row."""
    target, source = ws.project.target, ws.project.source(ws.project.features.rows)
    if target.known_at is None:
        why = f"the check `{check.text}` asks when labels were known"
        raise _mistake(check, "nobody knows when a label becomes known", why, "declare target.known_at")
    key, when = str(source.key), str(source.time)
    first = candidate.evaluation[when].min()
    known = datasets.frames[target.data].group_by(key).agg(pl.col(target.known_at).min().alias("detent_known"))
    later = candidate.train.select(key).join(known, on=key, how="left").filter(pl.col("detent_known") > first)
    return Touch(
        rows=candidate.train.height, touching=later.height, train_rows=candidate.train.height, train_touching=None,
        example=str(later[key][0]) if later.height else "",
    )  # fmt: skip


def permuted(ws: Workspace, candidate: Candidate, datasets: Datasets) -> Permuted | None:
    """Permute the labels of the data, make the features anew, and train small trees: what do they know?

    Nothing honest predicts a permuted label. Trees that do were told it by a feature that is made from labels, as means
    over all rows are, also of other rows. None: no line asks.
    """
    if not any(check.kind == "permuted" for check in ws.project.gate):
        return None
    target, source = ws.project.target, ws.project.source(ws.project.features.rows)
    seed = ws.project.simulate.seed
    try:
        frames = dict(datasets.frames)
        frames[target.data] = _permute_labels(frames[target.data], target.column, seed)
        made = feature_rows(ws, frames, frames[source.name])
        inputs = [field.name for field in candidate.signature.inputs if field.name in made.columns]
        labelled = with_labels(
            made.select(str(source.key), *inputs), frames[target.data], target=target, key=str(source.key),
            as_of=datasets.as_of, time=ws.project.source(target.data).time,
        ).frame  # fmt: skip
        return _trained(ws, candidate, labelled, inputs)
    except DetentError as error:
        return Permuted(rows=np.empty(0, np.intp), y=np.empty(0), score=np.empty(0), inputs=0, untold=error.what)


def _permute_labels(frame: pl.DataFrame, label: str, seed: int) -> pl.DataFrame:
    known = frame[label].is_not_null().to_numpy()
    values = frame[label].to_list()
    places = np.flatnonzero(known)
    for place, other in zip(places, np.random.default_rng([seed, _PERMUTE]).permutation(places), strict=True):
        values[place] = frame[label][int(other)]
    return frame.with_columns(pl.Series(label, values, dtype=frame.schema[label]))


def _trained(ws: Workspace, candidate: Candidate, labelled: pl.DataFrame, inputs: Sequence[str]) -> Permuted:
    key, target = str(ws.project.source(ws.project.features.rows).key), ws.project.target
    seed = ws.project.simulate.seed
    train = labelled.join(candidate.train.select(key), on=key, how="semi", maintain_order="left")
    if train.height > MOST_ROWS:
        train = train.sample(MOST_ROWS, seed=seed)
    model = lightgbm(train, label=target.column, exclude=[key], task=target.task, seed=seed, **TREES)
    numbered = candidate.evaluation.select(key).with_row_index("detent_row")
    judged = numbered.join(labelled, on=key, how="inner", maintain_order="left")
    score = OnnxPredictor(model.onnx, model.signature).predict({name: judged[name].to_list() for name in inputs})
    score = in_order(score, model.signature.classes, target.classes)
    return Permuted(
        rows=judged["detent_row"].to_numpy().astype(np.intp),
        y=truth_of(judged[target.column], target.classes),
        score=score,
        inputs=len(inputs),
    )


def _mistake(check: Check, what: str, why: str, fix: str) -> ProjectError:
    return ProjectError(
        what=what, why=why, fix=fix, where=Place(file="detent.yaml", line=check.line or None, field="gate")
    )
