"""How fast a version answers, measured once when it is loaded: how many rows share a call, and on which thread it runs.

The time of a call grows with its rows, but not evenly: a hundred trees score 16 rows in little more than the time of
one, and 128 rows in ten times that of 64. So the best size of a batch is measured; there is nothing to set.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from time import perf_counter

from detent.serving.models.loaded import LoadedVersion, Pace
from detent.serving.models.scoring import score
from detent.serving.rows.validate import Row

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)  # rows of a call that are tried
MOST = SIZES[-1]
LONGEST_CALL = 0.010  # seconds that one call may keep the others waiting
_REPEATS = 3  # of which the fastest counts: a pause of the machine is no property of the model
_BUDGET = 0.5  # seconds for the whole measurement; slow versions are measured at fewer sizes


def measure(version: LoadedVersion, rows: Sequence[Row]) -> Pace:
    """Time calls of growing size over the given rows, of which there must be one."""
    began = perf_counter()
    curve = []
    for size in SIZES:
        batch = list(islice(cycle(rows), size))
        seconds = min(_time(version, batch) for _ in range(_REPEATS))
        curve.append((size, seconds))
        if perf_counter() - began > _BUDGET or seconds > LONGEST_CALL:
            break
    return Pace(tuple(curve), best_size(curve))


def best_size(curve: Sequence[tuple[int, float]]) -> int:
    """Return the number of rows at which a row is cheapest, among calls that take at most 10 ms (or a single row)."""
    bearable = [(rows, seconds) for rows, seconds in curve if seconds <= LONGEST_CALL] or curve[:1]
    return min(bearable, key=lambda point: point[1] / point[0])[0]


def _time(version: LoadedVersion, rows: Sequence[Row]) -> float:
    began = perf_counter()
    score(version, rows)
    return perf_counter() - began
