"""Pairs of rows that are nearly equal, in about linear time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.data.quality.cells import Cells, normal, steps
from detent.statistics.minhash import Pairs, bucket_pairs, candidates, distinct, fold, jaccard, signatures, similarity

LEAST_COLUMNS = 5  # rows of fewer columns are near-equal by chance all the time
ALIKE = 0.8  # share of three-word pieces that near-equal texts have in common
_ALIKE_BY = 4  # columns by which rows of a group that is too large are put next to each other
_AT_ONCE = 500_000  # pairs that are compared in one go


def near_rows(cells: Cells) -> tuple[Pairs, bool]:
    """Return pairs of rows that differ in at most a tenth of their columns (at least one), equal ones included.

    The columns are dealt into one group more than may differ, so near-equal rows agree in a whole group, and only rows
    that do are compared. The second answer is False when so many rows agree in a group that not all were compared.
    """
    if cells.columns < LEAST_COLUMNS or cells.codes.shape[0] < 2:
        return np.empty((0, 2), dtype=np.int64), True
    differ = max(1, cells.columns // 10)
    sizes = np.array([pl.Series(cells.codes[:, index]).approx_n_unique() for index in range(cells.columns)], dtype=int)
    ranked = np.argsort(-sizes, kind="stable")
    found, complete = [], True
    for group in range(differ + 1):
        inside = ranked[group :: differ + 1]
        outside = ranked[~np.isin(ranked, inside)]
        for codes in _views(cells, inside):
            # In a group that is too large to compare in full, neighbours are those that are most alike elsewhere.
            pairs, whole = bucket_pairs(fold(codes), cells.codes[:, outside[:_ALIKE_BY]])
            found.append(pairs[_differing(cells, pairs) <= differ])
            complete = complete and whole
    return distinct(np.concatenate(found)), complete


def _views(cells: Cells, columns: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Give some columns, and when there are measurements among them, once more with steps that begin half-way.

    Values on two sides of one step's edge lie in the middle of the other's.
    """
    yield cells.codes[:, columns]
    among = np.flatnonzero(np.isin(cells.measured, columns))
    if among.size:
        moved = cells.codes[:, columns]
        for place in among:
            index = np.flatnonzero(columns == cells.measured[place])[0]
            moved[:, index] = steps(cells.values[:, place], cells.tolerance[place], begin=0.5)
        yield moved


def near_texts(texts: pl.Series) -> tuple[Pairs, bool]:
    """Return pairs of rows whose texts share at least 80 % of their three-word pieces, equal texts left out."""
    unique = pl.DataFrame({"text": normal(texts), "row": pl.int_range(len(texts), eager=True)})
    unique = unique.filter(pl.col("text").is_not_null() & (pl.col("text") != "")).unique(
        "text", keep="first", maintain_order=True
    )
    if unique.height < 2:
        return np.empty((0, 2), dtype=np.int64), True
    tokens, starts = _pieces(unique["text"])
    signed = signatures(tokens, starts)
    pairs, complete = candidates(signed)
    pairs = pairs[similarity(signed, pairs) >= ALIKE - 0.2]  # an estimate from 32 numbers; the exact one decides
    ends = np.append(starts[1:], tokens.size)
    exact = np.array(
        [jaccard(tokens[starts[a] : ends[a]], tokens[starts[b] : ends[b]]) >= ALIKE for a, b in pairs], dtype=bool
    )
    return unique["row"].to_numpy()[pairs[exact]] if exact.size else pairs, complete


def _differing(cells: Cells, pairs: Pairs) -> NDArray[np.int64]:
    """Return in how many columns each pair differs by more than what counts as the same."""
    counts = np.empty(len(pairs), dtype=np.int64)
    for start in range(0, len(pairs), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        left, right = pairs[part, 0], pairs[part, 1]
        differs = cells.codes[left] != cells.codes[right]
        if cells.measured.size:  # two sides of a step's edge are no difference
            apart = np.abs(cells.values[left] - cells.values[right])
            differs[:, cells.measured] &= ~(apart <= cells.tolerance)
        counts[part] = differs.sum(axis=1)
    return counts


def _pieces(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashes of every text's three-word pieces (of its words when it is shorter), each once per text."""
    words = pl.DataFrame({"text": pl.int_range(len(texts), eager=True), "word": texts.str.split(" ")}).explode("word")
    row, word = words["text"].to_numpy(), words["word"].hash(seed=0).to_numpy()
    last = np.append(row[1:] != row[:-1], True)
    size = np.bincount(row)[row]
    second, third = np.roll(word, -1), np.roll(word, -2)
    ends = last | np.roll(last, -1)
    piece = np.where(size < 3, word, fold(np.column_stack([word, second, third])))
    kept = (size < 3) | ~ends
    pairs = np.unique(np.column_stack([row[kept].astype(np.uint64), piece[kept]]), axis=0)
    starts = np.flatnonzero(np.append([True], pairs[1:, 0] != pairs[:-1, 0]))
    return np.ascontiguousarray(pairs[:, 1]), starts
