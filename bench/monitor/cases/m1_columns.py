"""M1: how long it takes to compare a new table with a reference that was seen before."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import polars as pl
from environments import run_peer, version
from ours import look, reference_of, window_of
from result import Result
from scipy import stats

from detent.monitor.drift.kept import exact

SIZES = ((10_000, 20), (100_000, 20), (1_000_000, 50))
RUNS = 3


def run(cache: Path, *, quick: bool) -> Result:
    """Time everybody on the same draws; `quick` takes the smallest size."""
    peers = ("evidently", "nannyml", "whylogs")
    rows = []
    for size, columns in SIZES[:1] if quick else SIZES:
        mine = _ours(size, columns)
        cells = [f"{mine[0]:.2f} s count, {mine[1] * 1000:.0f} ms compare"]
        for peer in peers:
            runs = 1 if size > 100_000 else RUNS
            told = run_peer(cache, peer, "speed.py", peer, str(size), str(columns), str(runs), timeout=3600)
            seconds = float(np.median(json.loads(told.splitlines()[-1])))
            times = seconds / sum(mine)
            cells.append(f"{seconds:.2f} s ({times:.{0 if times >= 10 else 1}f} times as long)")
        rows.append((f"{size:,} x {columns}", *cells))
    heads = ("detent", *(f"{peer} {version(cache, peer)}" for peer in peers))
    notes = (
        "detent: count the new rows over stored bins, then compare; counts come for free where serving makes them.",
        "whylogs only makes its profile of the new rows; comparing profiles is not in it.",
        f"Medians of {RUNS} runs; one run above 100,000 rows. Seconds are CPU seconds of one core, so "
        "that other work on the machine matters little.",
        _equal(),
    )
    return Result(title="M1: a repeated comparison", columns=("rows x columns", *heads), rows=tuple(rows), notes=notes)


def _ours(size: int, columns: int) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    names = [f"x{i}" for i in range(columns)]
    reference, current = (pl.DataFrame(rng.normal(shift, 1, (size, columns)), schema=names) for shift in (0.0, 0.1))
    known = reference_of(reference)
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        window = window_of(known, current)
        middle = time.process_time()
        look(known, window)
        times.append((middle - start, time.process_time() - middle))
    counted, compared = np.median(times, axis=0)
    return float(counted), float(compared)


def _equal() -> str:
    """Check the exact tests against SciPy on the rows themselves."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=5_000), rng.lognormal(size=3_000)
    (found,) = exact(pl.DataFrame({"x": a}), pl.DataFrame({"x": b}))
    known = stats.ks_2samp(a, b).statistic, stats.wasserstein_distance(a, b), stats.energy_distance(a, b)
    ours = found.statistic, *(value for _, value in found.distances[:2])
    gap = max(abs(one - other) for one, other in zip(ours, known, strict=True))
    return f"Exact KS, Wasserstein and energy distance of kept rows differ from SciPy's by {gap:.1e} at most."
