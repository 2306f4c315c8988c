"""The built-in step that looks at training and evaluation rows before anybody trains on them."""

from __future__ import annotations

import polars as pl

from detent.data.quality.duplicates import find_duplicates
from detent.data.quality.leakage import find_later_columns, find_telling_columns, find_time_overlap
from detent.data.quality.overlap import find_overlap
from detent.data.quality.report import QualityFinding, QualityReport, report_of
from detent.errors import DataError, did_you_mean


def check_quality(
    train: pl.DataFrame,
    evaluation: pl.DataFrame | None = None,
    *,
    key: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    label: str | None = None,
    known_later: tuple[str, ...] = (),
    seed: int = 0,
) -> QualityReport:
    """Report duplicates, near duplicates, overlap of training and evaluation, and signs of leakage.

    A plain function: call it anywhere, or make it a step with `step(check_quality)`. It takes about linear time.

    Args:
        train: rows that are trained on.
        evaluation: rows that the model is judged on; None: only what can be seen in `train` is looked for.
        key: column that names a row; not part of what is compared.
        entity: column of whom a row is about, such as a customer.
        time: column of a row's time; not part of what training and evaluation rows are compared by.
        label: column that is to be predicted (numbers or booleans).
        known_later: columns that are no features and may be later than `time`.
        seed: chooses the rows on which the power of columns is measured.

    Raises:
        DataError: a named column is missing, the label holds no numbers, or there are no rows.
    """
    _check(train, evaluation, {"key": key, "entity": entity, "time": time, "label": label})
    findings: list[QualityFinding] = find_duplicates(train, key=key)
    if evaluation is not None:
        findings += find_overlap(train, evaluation, key=key, entity=entity, time=time)
    if time is not None:
        if evaluation is not None:
            findings.append(find_time_overlap(train, evaluation, time=time))
        findings += find_later_columns(train, time=time, known_later=known_later)
    if label is not None:
        left_out = tuple(name for name in (key, *known_later) if name is not None)
        findings += find_telling_columns(train, label=label, left_out=left_out, seed=seed)
    return report_of(train.height, 0 if evaluation is None else evaluation.height, findings)


def _check(train: pl.DataFrame, evaluation: pl.DataFrame | None, roles: dict[str, str | None]) -> None:
    for name, frame in (("training", train), ("evaluation", evaluation)):
        if frame is None:
            continue
        if frame.height == 0:
            raise DataError(
                what=f"there are no {name} rows", why="nothing can be said about them", fix="give at least one row"
            )  # fmt: skip
        for role, column in roles.items():
            if column is not None and column not in frame.columns:
                raise DataError(
                    what=f"column `{column}` is not in the {name} rows",
                    why=f"it is named as `{role}`",
                    fix=did_you_mean(column, frame.columns),
                )
    label = roles["label"]
    if label is not None and not (train.schema[label].is_numeric() or train.schema[label] == pl.Boolean):
        raise DataError(
            what=f"label `{label}` is {train.schema[label]}",
            why="how well a column predicts it can only be measured for numbers and booleans",
            fix="turn the label into numbers first",
        )
