"""Rows -> scores of a bundle's model, in the order of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.load import load
from detent.bundle.protocol import Predictor
from detent.loop.classes import in_order


@lru_cache(maxsize=4)
def predictor_of(folder: Path) -> Predictor:
    """Open a bundle's model; a folder is named by its content, so an open model stays right."""
    return load(folder)


def score_rows(predictor: Predictor, rows: pl.DataFrame, classes: Sequence[str] = ()) -> NDArray[np.float64]:
    """Return one score per row, in order, from the model's own inputs; with `classes` a column for each of them."""
    signature = predictor.signature
    score = predictor.predict(columns_of(rows, [field.name for field in signature.inputs]))
    return in_order(score, signature.classes, classes) if classes else score


def columns_of(rows: pl.DataFrame, names: Sequence[str]) -> Mapping[str, Sequence[object]]:
    """Return the named columns as lists; a column that the rows lack is all null."""
    return {name: rows[name].to_list() if name in rows.columns else [None] * rows.height for name in names}
