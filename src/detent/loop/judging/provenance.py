"""Is a candidate what it says it is? What a pipeline declares about its rows is compared with the project's own data.

A pipeline is the user's code, and a mistake in it can make every number at the gate look good: rows that were trained
on and not declared, labels that are not the data's, features made from the label or from the future.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import polars as pl

from detent.bundle.codec import profile_from_json
from detent.data.target import with_labels
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.datasets import Datasets, feature_rows, hide_label, known_frames
from detent.loop.workspace import Workspace
from detent.records.profile import Profile
from detent.records.signature import Field
from detent.statistics.summaries import summarise

OUTPUT = "prediction"
SAMPLE = 64  # evaluation rows whose features are made anew


def provenance_faults(ws: Workspace, candidate: Candidate, datasets: Datasets) -> tuple[str, ...]:
    """Return sentences about what is not as declared; () when everything is."""
    source = ws.project.source(ws.project.features.rows)
    key, when = str(source.key), str(source.time)
    absent = [name for name in (key, when) if name not in candidate.evaluation.columns]
    if absent:
        return (
            f"the evaluation rows have no column `{absent[0]}`, so nobody can tell which rows they are: keep it in the "
            "frames of the Candidate and leave it out of training with `exclude`",
        )
    return (
        *_fitted_elsewhere(candidate),
        *_rows_not_of_the_data(ws, candidate, datasets, key, when),
        *_features_not_of_the_function(ws, candidate, datasets, key, when),
    )


def _fitted_elsewhere(candidate: Candidate) -> Iterator[str]:
    """The model carries the profile of the rows it was fitted on; the declared training rows must have the same."""
    fitted = profile_from_json((candidate.folder / "profile.json").read_bytes())
    kinds = [(field.name, field.kind) for field in candidate.signature.inputs]
    missing = [name for name, _ in kinds if name not in candidate.train.columns]
    if missing:
        yield f"the declared training rows lack `{missing[0]}`, which the model reads"
        return
    columns = {name: cast("Sequence[object]", candidate.train[name]) for name, _ in kinds}
    if _inputs(summarise(columns, kinds, like=fitted)) != _inputs(fitted):
        yield (
            f"the model was fitted on {fitted.rows:,} rows that are not the {candidate.train.height:,} rows declared "
            "as `train`: return exactly the frame that was given to the trainer"
        )


def _inputs(profile: Profile) -> Profile:
    return replace(profile, columns=tuple(column for column in profile.columns if column.name != OUTPUT))


def _rows_not_of_the_data(
    ws: Workspace, candidate: Candidate, datasets: Datasets, key: str, when: str
) -> Iterator[str]:
    """Every evaluation row must be a row of the data, once, with the data's time and label."""
    target, rows = ws.project.target, candidate.evaluation
    if rows[key].n_unique() != rows.height:
        yield f"{rows.height - rows[key].n_unique():,} evaluation rows stand more than once (`{key}` repeats)"
        return
    known = datasets.frames[ws.project.features.rows].select(key, data_time=pl.col(when))
    known = known.join(rows.select(key), on=key, how="semi")
    truth = with_labels(
        known,
        datasets.frames[target.data],
        target=target,
        key=key,
        as_of=datasets.as_of,
        time=ws.project.source(target.data).time,
    ).frame.rename({target.column: "data_label"})
    kind = pl.String() if target.classes else pl.Float64()
    joined = rows.select(key, when, target.column).join(truth, on=key, how="left", maintain_order="left")
    wrong = {
        "are not in the data with a label": pl.col("data_label").is_null(),
        f"have another `{when}` than the data": pl.col(when) != pl.col("data_time"),
        f"have another `{target.column}` than the data": pl.col(target.column).cast(kind)
        != pl.col("data_label").cast(kind),
    }
    for what, condition in wrong.items():
        found = joined.filter(condition)
        if found.height:
            yield f"{found.height:,} evaluation rows {what}, first {key} {found[key][0]!r}"
            return


def _features_not_of_the_function(
    ws: Workspace, candidate: Candidate, datasets: Datasets, key: str, when: str
) -> Iterator[str]:
    """The project's function, shown neither label nor anything later, must make the features that were judged."""
    rows = datasets.frames[ws.project.features.rows]
    step = max(1, candidate.evaluation.height // SAMPLE)
    sample = candidate.evaluation.gather_every(step)
    hidden = hide_label(ws.project, rows.join(sample.select(key), on=key, how="semi"))
    if ws.project.target.data == ws.project.features.rows:
        try:
            made = feature_rows(ws, datasets.frames, hidden)
        except Exception as error:  # noqa: BLE001  (whatever the user's function does without the label is the finding)
            yield f"{ws.project.features.function} fails when the label is hidden: {type(error).__name__}: {error}"
            return
        for name in _different(sample, made, key, candidate.signature.inputs):
            yield f"the input `{name}` comes out differently when the label is hidden: it is made from what it predicts"
            return
    last = hidden.sort(when).tail(1)
    past = known_frames(ws.project, datasets.frames, last[when][0])
    made = feature_rows(ws, past, last)
    for name in _different(sample, made, key, candidate.signature.inputs):
        yield (
            f"the input `{name}` of {key} {last[key][0]!r} comes out differently when made from what was known by "
            f"{last[when][0]}: it is made from the future, or not by {ws.project.features.function}"
        )
        return


def _different(sample: pl.DataFrame, made: pl.DataFrame, key: str, inputs: Sequence[Field]) -> Iterator[str]:
    both = sample.join(made, on=key, how="inner", suffix="_anew")
    for field in inputs:
        name, anew = field.name, f"{field.name}_anew"
        if anew not in both.columns:
            continue  # an input that the function does not make is the leakage check's business
        if both.schema[name].is_numeric():
            told, made_anew = (both[one].cast(pl.Float64).to_numpy() for one in (name, anew))  # null: NaN
            with np.errstate(invalid="ignore"):
                far = np.abs(told - made_anew) > 1e-6 * np.maximum(np.abs(told), 1.0)
            if far.any() or (np.isnan(told) != np.isnan(made_anew)).any():
                yield name
        elif not both[name].cast(pl.String).equals(both[anew].cast(pl.String), check_names=False, null_equal=True):
            yield name
