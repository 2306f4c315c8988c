"""One kind of frame as another, when the parameter that takes it is annotated so: a dataset as a pandas frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from detent.errors import DataError
from detent.pipeline.artifacts import ARROW, PANDAS, PARQUET


def convert(frame: Any, *, stored: str, wanted: str) -> Any:
    """Return a frame of the wanted kind with the same columns.

    Raises:
        DataError: the other kind has no place for something that the frame has.
    """
    try:
        return _CONVERSIONS[stored, wanted](frame)
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise DataError(
            what=f"a frame that is stored as {stored} can't be read as {wanted}",
            why=str(error)[:300],
            fix="annotate the parameter with the class that the other step returns, and convert the frame in the step",
        ) from error


def _without_index(frame: pd.DataFrame) -> pd.DataFrame:
    if not frame.index.equals(pd.RangeIndex(len(frame))) or frame.index.name is not None:
        raise ValueError("its index is more than row numbers, and would be lost: call .reset_index() before")
    return frame


_CONVERSIONS: dict[tuple[str, str], Callable[[Any], Any]] = {
    (PARQUET, PANDAS): pl.DataFrame.to_pandas,
    (PARQUET, ARROW): pl.DataFrame.to_arrow,
    (ARROW, PARQUET): pl.from_arrow,
    (ARROW, PANDAS): pa.Table.to_pandas,
    (PANDAS, PARQUET): lambda frame: pl.from_pandas(_without_index(frame)),
    (PANDAS, ARROW): lambda frame: pa.Table.from_pandas(_without_index(frame), preserve_index=False),
}
