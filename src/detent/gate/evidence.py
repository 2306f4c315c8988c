"""Everything the checks may look at, collected before anything is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.gate.declared import Growth, Permuted, SideBySide, Stressed, Touch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """A candidate's evaluation: n rows, all later than its training rows, scored by candidate and champion.

    What is None could not be collected; a check that needs it says so and does not pass in silence.

    Raises:
        ValueError: parts that speak of the same rows differ in length.
    """

    task: str  # "binary" | "regression" | "multiclass"
    columns: pl.DataFrame  # n evaluation rows: the model's inputs, and any column that a `gap` slices by
    inputs: tuple[str, ...]  # columns that the candidate reads, in its signature's order
    y: NDArray[np.float64]  # (n,) labels; 0 or 1 for binary, else of classes their places in `classes`
    score: NDArray[np.float64]  # (n,) candidate: probability of class 1, or the value; (n, k) one per class
    champion: NDArray[np.float64] | None  # as `score`: the champion's of the same rows; None: there is no champion
    seed: int  # of every resampling
    classes: tuple[str, ...] = ()  # of a multiclass task, in the order of the columns of `score`
    provenance: tuple[str, ...] | None = None  # what was found untrue of what the candidate says; (): nothing
    elsewhere: bool = False  # it was trained on rows that nobody here knows; `train_*` are the project's own
    champion_at_gate: float | None = None  # roc_auc of the champion when it was judged itself; None: not known
    keys: pl.Series | None = None  # (n,) names of the evaluation rows
    train_keys: pl.Series | None = None  # names of the training rows
    digests: NDArray[np.uint64] | None = None  # (n,) `row_digests` of the evaluation rows, inputs and label
    train_digests: NDArray[np.uint64] | None = None  # the same of the training rows, over the same columns
    train_time_max: datetime | None = None  # latest training row, aware
    eval_time_min: datetime | None = None  # earliest evaluation row, aware
    allowed_inputs: frozenset[str] | None = None  # what the project's feature function makes; None: not known
    latency_seconds: NDArray[np.float64] | None = None  # single-row predictions of the exported artefact, here
    bundle_bytes: int | None = None  # size of the exported artefact
    candidates: int = 1  # rank of this bundle among those judged on these rows: alpha is spent over them
    groups: NDArray | None = (
        None  # (n,) group of each row; rows of a group share their fate. None: rows are independent
    )
    lists: NDArray | None = None  # (n,) list that each row belongs to, for metrics of rankings
    naive: NDArray[np.float64] | None = None  # (n,) label one season earlier in the same series; NaN: not known
    expected_slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # levels that a column must have here
    min_slice: int = 200  # rows: of a smaller slice nothing is concluded
    own: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # functions that checks name, by file.py:name
    stressed: Stressed | None = None  # from here on: None when no line asks for it
    beside: SideBySide | None = None
    growth: Growth | None = None  # of a model that is a program; None: it is none, or this system does not tell
    touch: Mapping[str, Touch] = field(default_factory=dict)  # "near", "known_later", "entities:customer"
    permuted: Permuted | None = None

    def __post_init__(self) -> None:
        lengths = {
            "columns": self.columns.height, "y": len(self.y), "score": len(self.score),
            "champion": self.rows if self.champion is None else len(self.champion),
            "keys": self.rows if self.keys is None else len(self.keys),
            "digests": self.rows if self.digests is None else len(self.digests),
            "groups": self.rows if self.groups is None else len(self.groups),
            "lists": self.rows if self.lists is None else len(self.lists),
            "naive": self.rows if self.naive is None else len(self.naive),
        }  # fmt: skip
        if len(set(lengths.values())) != 1:
            raise ValueError(f"evidence must speak of the same rows everywhere; rows per part: {lengths}")

    @property
    def rows(self) -> int:
        """Return n, the number of evaluation rows."""
        return len(self.y)


def row_digests(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.uint64]:
    """Return one 64-bit digest per row over the named columns, so that equal rows have equal digests.

    Equal means equal in value: 1, 1.0 and True agree, as do null and NaN, and a category and its text. The digests are
    stable for one version of Polars only: compare those made by one process, and do not store them.
    """
    if frame.is_empty() or not columns:
        return np.zeros(frame.height, dtype=np.uint64)
    plain = frame.select(plain_column(name, frame.schema[name]) for name in columns)
    return plain.hash_rows(seed=0).to_numpy()


def plain_column(name: str, dtype: pl.DataType) -> pl.Expr:
    """Bring a column to one of two types: the hash depends on the type, and two frames may differ in it."""
    if dtype.is_numeric() or dtype == pl.Boolean:
        return pl.col(name).cast(pl.Float64).fill_nan(None)
    if dtype == pl.Datetime:
        return pl.col(name).dt.epoch("us").cast(pl.String)
    return pl.col(name).cast(pl.String)
