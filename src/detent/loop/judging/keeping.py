"""Run as `python -m detent.loop.judging.keeping FOLDER`: serve a bundle's model, and say what it keeps of each call.

Rows come on standard input as JSON (column -> values). They are asked again and again, so that what is kept of a row,
as a cache does, is there after the first time; from then on only what is kept of a call adds up.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import median

from detent.bundle.load import load
from detent.bundle.protocol import PredictionError, Predictor
from detent.loop.judging.footprint import children

PARTS, FEWEST, MOST = 8, 4, 256  # parts of the time, and calls in each
SECONDS = 10.0  # for all parts together, about
NOISE = 64 << 10  # bytes: a part that grows by less does not grow
_KIB = 1024
_COUNTED = ("Anonymous:", "Swap:")  # what programs allocate, and not the files that they map

Row = Mapping[str, Sequence[object]]


def main(folder: Path) -> None:
    """Warm up, then answer in parts, and write {"kept": bytes of each call or null, "calls": number, "failed": why}."""
    columns: dict[str, list[object]] = json.load(sys.stdin)
    told: dict[str, object] = {"kept": None, "calls": 0, "failed": ""}
    if held() is not None:
        try:
            kept, calls = keeps(load(folder), columns)
            told |= {"kept": kept, "calls": calls}
        except PredictionError as error:
            told["failed"] = error.why
    sys.stdout.write(json.dumps(told))


def keeps(predictor: Predictor, columns: Row) -> tuple[float, int]:
    """Return what the warm model keeps of each call, in bytes, and over how many calls that was seen.

    It is the median over the parts: a library that takes a larger block now and then is no leak.

    Raises:
        PredictionError: it fails on a row that it has answered before.
    """
    predictor.predict(columns)
    rows = [{name: values[row : row + 1] for name, values in columns.items()} for row in range(_count(columns))]
    answered, seconds = _warmed(predictor, rows)
    calls = min(MOST, max(FEWEST, int(SECONDS / PARTS / seconds)))
    asked, points = cycle(answered), [held() or 0]
    for _ in range(PARTS):
        for row in islice(asked, calls):
            predictor.predict(row)
        points.append(held() or 0)
    grown = median(after - before for before, after in pairwise(points))
    return (grown / calls if grown >= NOISE else 0.0), PARTS * calls


def _warmed(predictor: Predictor, rows: Sequence[Row]) -> tuple[list[Row], float]:
    """Ask the rows one by one, for half of the time at most; return those that were answered, and seconds of a call."""
    answered, began, fault = [], time.perf_counter(), None
    for row in rows:
        try:
            predictor.predict(row)
            answered.append(row)
        except PredictionError as error:  # a row that it does not take says nothing here
            fault = error
        if time.perf_counter() - began > SECONDS / 2:
            break
    if not answered:
        raise fault or PredictionError(what="nothing was asked", why="there are no rows", fix="judge it on some rows")
    return answered, max(1e-6, (time.perf_counter() - began) / len(answered))


def held() -> int | None:
    """Return the bytes that this process, and those that it runs a model in, hold now; None where no one tells."""
    own = Path("/proc/self/status")
    sizes = [_held(status.with_name("smaps_rollup")) for status in (own, *children(own.parent))]
    return None if sizes[0] is None else sum(size or 0 for size in sizes)


def _held(rollup: Path) -> int | None:
    """Read it from the kernel's pages: its quick counters may be off by megabytes."""
    try:
        lines = rollup.read_text().splitlines()
    except OSError:  # not Linux, or it has just ended
        return None
    return sum(int(line.split()[1]) * _KIB for line in lines if line.startswith(_COUNTED))


def _count(columns: Row) -> int:
    return len(next(iter(columns.values()), []))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
