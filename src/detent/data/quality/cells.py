"""Rows as numbers in which near-equal values are equal: the ground on which duplicates are looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

TOLERANCE = 1e-3  # of a number's spread (between its 5 % and 95 % quantiles): values no further apart are the same
SAME_SECONDS = 1.0  # times no further apart are the same
NOTHING = -(2**63)  # the code of no value
_WORDS = 8  # a text column with at least so many words on average is prose: it is compared by its words


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A table of whole numbers, one column per compared column."""

    codes: NDArray[np.int64]  # shape (rows, columns); NOTHING where there is no value
    measured: NDArray[np.int64]  # which columns hold measurements, for which `codes` are steps of a tolerance
    values: NDArray[np.float64]  # the measurements themselves, shape (rows, measured); NaN where there is no value
    tolerance: NDArray[np.float64]  # shape (measured,)

    @property
    def columns(self) -> int:
        """How many columns are compared."""
        return self.codes.shape[1]


def cells_of(frame: pl.DataFrame) -> Cells:
    """Turn texts into numbers of their normal form, and measurements and times into steps of what counts as the same.

    Columns of lists, structs and binary data are left out.
    """
    names = [name for name, kind in frame.schema.items() if _is_plain(kind)]
    codes = np.empty((frame.height, len(names)), dtype=np.int64)
    measured, values, tolerance = [], [], []
    for index, name in enumerate(names):
        series = frame[name]
        if not _is_number(series.dtype):
            codes[:, index] = _texts(series)
            continue
        if series.dtype.is_float() or series.dtype.is_decimal() or isinstance(series.dtype, pl.Datetime):
            numbers, step = _measurements(series)
            codes[:, index] = steps(numbers, step)
            measured.append(index)
            values.append(numbers)
            tolerance.append(step)
        else:
            codes[:, index] = series.to_physical().cast(pl.Int64, strict=False).fill_null(NOTHING).to_numpy()
    return Cells(
        codes=codes,
        measured=np.array(measured, dtype=np.int64),
        values=np.column_stack(values) if values else np.empty((frame.height, 0)),
        tolerance=np.array(tolerance),
    )


def row_hashes(frame: pl.DataFrame) -> NDArray[np.uint64]:
    """Return one number per row; equal rows have equal ones, and NaN equals null."""
    clean = frame.select(
        pl.col(name).fill_nan(None) if kind.is_float() else pl.col(name) for name, kind in frame.schema.items()
    )
    return clean.hash_rows(seed=0).to_numpy()


def normal(texts: pl.Series) -> pl.Series:
    """Return texts in small letters, without punctuation and with single spaces."""
    return (
        texts.cast(pl.String)
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )


def prose(frame: pl.DataFrame) -> list[str]:
    """Return the columns that hold sentences rather than words."""
    found = []
    for name, kind in frame.schema.items():
        if kind == pl.String:
            words = frame[name].drop_nulls().head(1_000).str.count_matches(r"\S+").mean()
            found += [name] if isinstance(words, float) and words >= _WORDS else []
    return found


def _is_plain(kind: pl.DataType) -> bool:
    return not (kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Null))


def _is_number(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind.is_temporal() or kind == pl.Boolean


def _measurements(series: pl.Series) -> tuple[NDArray[np.float64], float]:
    """Return numbers, NaN where there is none, and by how much two of them may differ."""
    if isinstance(series.dtype, pl.Datetime):
        return (series.dt.timestamp("us").cast(pl.Float64) / 1e6).fill_null(float("nan")).to_numpy(), SAME_SECONDS
    numbers = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    spread = float(np.diff(np.quantile(finite, [0.05, 0.95]))[0]) if finite.size else 0.0
    return numbers, TOLERANCE * spread or TOLERANCE


def steps(numbers: NDArray[np.float64], step: float, *, begin: float = 0.0) -> NDArray[np.int64]:
    """Return the number of the step in which each value lies; `begin` moves the steps' edges by a share of a step."""
    with np.errstate(over="ignore", invalid="ignore"):
        cells = np.round(numbers / step + begin)
        return np.where(np.abs(cells) < 2**62, cells, NOTHING).astype(np.int64)  # NaN and infinity are below nothing


def _texts(series: pl.Series) -> NDArray[np.int64]:
    """Return a number per normal form; each distinct text is brought into it once."""
    texts = series.cast(pl.String)
    forms = texts.unique().alias("text").to_frame()
    forms = forms.with_columns(code=normal(forms["text"]).rank("dense").cast(pl.Int64))
    joined = texts.alias("text").to_frame().join(forms, on="text", how="left", maintain_order="left", nulls_equal=False)
    return joined["code"].fill_null(NOTHING).to_numpy()
