"""Which answers of a regression model err more than others: what each column's cell adds to the expected loss.

A ridge regression of the loss on the cells of the inputs and of the answer (the idea of NannyML's direct loss
estimation, with a model that is a sum over columns). A sum has a mean that follows from counts alone, so a window's
loss is estimated from what its columns look like one by one. Neighbouring cells of a number are drawn together
(P-splines of degree 0: Eilers and Marx 1996); how much, is chosen on rows that were left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.sparse import csr_array

from detent.errors import DetentError
from detent.statistics.axes import SPECIAL, Axis, Floats
from detent.statistics.block import Ints
from detent.statistics.columns import Column
from detent.statistics.counting import places
from detent.statistics.dispersion import dispersion_of_means
from detent.statistics.dle import LOSSES, grouped_cells, groups_of
from detent.statistics.layout import Layout
from detent.statistics.reference import LossModel, LossTerm

LEAST = 200  # rows from which a loss model is fitted
PARTS = 10  # of the rows in order: each is left out once
MOST_COLUMNS = 20
# How strongly cells are drawn together, as a share of the rows; the last leaves next to nothing.
_PENALTIES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0, 1000.0)
_ANCHOR = 1e-3  # by so much, of the same, a number's cells are drawn to zero
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """What a least-squares fit needs of some rows."""

    rows: float
    loss: float
    cells: Floats  # (cells,) rows per cell
    together: Floats  # (cells, cells) rows in both
    losses: Floats  # (cells,) loss per cell

    def __sub__(self, other: _Sums) -> _Sums:
        return _Sums(
            rows=self.rows - other.rows, loss=self.loss - other.loss, cells=self.cells - other.cells,
            together=self.together - other.together, losses=self.losses - other.losses,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """What the cells of all columns add, before each column is centred."""

    adds: Floats
    left_out: tuple[Floats, ...]  # the same without each part of the rows


def fit_loss(
    layout: Layout, columns: Mapping[str, Column], y: Floats, score: Floats, *, metric: str, days: Ints | None = None
) -> LossModel | None:
    """Fit what an answer's loss probably is; None where that can't be known: too few rows, or losses without end.

    Args:
        layout: of the counts that it will be applied to.
        columns: the inputs and, under "prediction", the answers; rows in order of time where there is one.
        y: (n,) the truth of the same rows, finite; they must not be rows that the model was fitted on.
        score: (n,) the answers, finite.
        metric: one of `dle.LOSSES`.
        days: (n,) the day of each row; rows of a day may share their fate. None: unknown.

    Raises:
        DetentError: the metric has no loss of a row.
    """
    if metric not in LOSSES:
        raise DetentError(
            what=f"{metric} can't be estimated without labels",
            why=f"it is no mean over rows; those are {', '.join(LOSSES)}",
            fix="choose one of them",
        )
    with np.errstate(over="ignore"):
        loss = LOSSES[metric](np.asarray(y, dtype=np.float64) - np.asarray(score, dtype=np.float64))
        usable = len(loss) >= LEAST and bool(np.isfinite(loss.sum()) and np.isfinite((loss * loss).sum()))
    if not usable:
        return None
    axes = [axis for axis in layout.axes if axis.name in columns]
    codes = {axis.name: grouped_cells(axis)[places(axis, columns[axis.name])] for axis in axes}
    chosen = _telling(axes, codes, loss)
    found = _fitted(chosen, codes, loss)
    return _packed(metric, chosen, codes, loss, found, days)


def _telling(axes: Sequence[Axis], codes: Mapping[str, Ints], loss: Floats) -> list[Axis]:
    """Return the columns whose cells differ most in their loss, beyond what chance does; in the layout's order."""
    gains, spread = [], float(loss.var())
    for axis in axes:
        rows = np.bincount(codes[axis.name], minlength=groups_of(axis))
        gaps = np.bincount(codes[axis.name], weights=loss - loss.mean(), minlength=len(rows))
        seen = rows > 0
        gain = float((gaps[seen] ** 2 / rows[seen]).sum()) - spread * (int(seen.sum()) - 1)
        gains.append(gain if seen.sum() > 1 else 0.0)
    best = np.argsort(-np.asarray(gains), kind="stable")[:MOST_COLUMNS]
    return [axes[place] for place in sorted(best.tolist()) if gains[place] > 0.0]


def _fitted(axes: Sequence[Axis], codes: Mapping[str, Ints], loss: Floats) -> _Fitted:
    """Fit with the penalty under which parts of the rows that were left out are told best."""
    parts = np.array_split(np.arange(len(loss)), PARTS)
    table = _cells(axes, codes, len(loss))
    sums = [_sums(table[part], loss[part]) for part in parts]
    whole = _sums(table, loss)
    shape = _penalty(axes)
    best: tuple[float, float, list[tuple[float, Floats]]] | None = None
    for share in _PENALTIES[::-1]:  # of two that tell as much, the one that claims less
        weight = share * len(loss)
        fits = [_solved(whole - part, weight * shape) for part in sums]
        missed = sum(
            float(((loss[part] - base - table[part] @ adds) ** 2).sum())
            for part, (base, adds) in zip(parts, fits, strict=True)
        )
        if best is None or missed < best[0]:
            best = (missed, weight, fits)
    assert best is not None
    return _Fitted(adds=_solved(whole, best[1] * shape)[1], left_out=tuple(adds for _, adds in best[2]))


def _cells(axes: Sequence[Axis], codes: Mapping[str, Ints], rows: int) -> csr_array:
    """Return (rows, cells): 1 where a row's value lies in a cell."""
    starts = np.cumsum([0, *(groups_of(axis) for axis in axes)])
    where = [codes[axis.name] + start for axis, start in zip(axes, starts, strict=False)]
    columns = np.stack(where, axis=1).ravel() if where else np.empty(0, dtype=np.int64)
    ends = np.arange(rows + 1) * len(axes)
    return csr_array((np.ones(len(columns)), columns, ends), shape=(rows, int(starts[-1])))


def _sums(table: csr_array, loss: Floats) -> _Sums:
    return _Sums(
        rows=float(len(loss)), loss=float(loss.sum()), cells=np.asarray(table.sum(axis=0), dtype=np.float64).ravel(),
        together=np.asarray((table.T @ table).todense(), dtype=np.float64), losses=np.asarray(table.T @ loss),
    )  # fmt: skip


def _penalty(axes: Sequence[Axis]) -> Floats:
    """Return the matrix that is asked for a number's cells to be alike, and of all others to be zero."""
    sizes = [groups_of(axis) for axis in axes]
    found, start = np.eye(sum(sizes)), 0
    for axis, size in zip(axes, sizes, strict=True):
        if axis.numeric:
            bins = size - SPECIAL
            steps = np.diff(np.eye(bins), axis=0)
            inner = slice(start, start + bins)
            found[inner, inner] = steps.T @ steps + _ANCHOR * np.eye(bins)
        start += size
    return found


def _solved(sums: _Sums, penalty: Floats) -> tuple[float, Floats]:
    """Return the mean loss, and what each cell adds; over these rows the additions have the mean zero."""
    mean = sums.loss / sums.rows
    if not len(sums.cells):
        return mean, np.empty(0)
    centred = sums.together - np.outer(sums.cells, sums.cells) / sums.rows
    adds = solve(centred + penalty, sums.losses - sums.cells * mean, assume_a="pos")
    return mean - float(sums.cells @ adds) / sums.rows, adds


def _packed(
    metric: str, axes: Sequence[Axis], codes: Mapping[str, Ints], loss: Floats, found: _Fitted, days: Ints | None
) -> LossModel:
    """Return the model with every term centred, so that a column that nobody counted adds nothing."""
    everything = np.arange(len(loss))
    parts = np.array_split(everything, PARTS)
    fits = [(everything, found.adds)]
    fits += [(np.setdiff1d(everything, part), adds) for part, adds in zip(parts, found.left_out, strict=True)]
    terms, start, whole, apart = [], 0, np.zeros(len(loss)), 0.0
    for axis in axes:
        mine, size = codes[axis.name], groups_of(axis)
        rows = np.bincount(mine, minlength=size)
        tables = [_centred(adds[start : start + size], mine[some], rows > 0) for some, adds in fits]
        whole += tables[0][mine]
        apart += float(tables[0][mine].var())
        adds, *left_out = map(_short, tables)
        terms.append(LossTerm(name=axis.name, rows=tuple(rows.tolist()), adds=adds, left_out=tuple(left_out)))
        start += size
    spread = float(whole.var()) / apart if apart > 0.0 else 1.0
    spread *= 1.0 if days is None else dispersion_of_means(whole, days)
    bases = [float(loss[some].mean()) for some, _ in fits]
    return LossModel(
        metric=metric, base=bases[0], left_out=_short(np.asarray(bases[1:])), terms=tuple(terms),
        spread=_short(np.asarray([spread]))[0], rows=len(loss),
    )  # fmt: skip


def _centred(adds: Floats, cells: Ints, seen: NDArray[np.bool_]) -> Floats:
    """Return the additions of one column with the mean zero over rows, and zero where no row was."""
    rows = np.bincount(cells, minlength=len(adds))
    return np.where(seen, adds - float(rows @ adds) / len(cells), 0.0)


def _short(values: Floats) -> tuple[float, ...]:
    """Return numbers with six digits: what lies beyond depends on the machine's linear algebra."""
    return tuple(float(f"{value:.{_DIGITS}g}") + 0.0 for value in values.tolist())
