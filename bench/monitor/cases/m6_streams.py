"""M6: errors become more frequent. How soon is it noticed, and how often is it said when nothing happened?"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from environments import run_peer, version
from result import Result

from detent.statistics.edetector import EDetector

BEFORE, AFTER, USUAL, RATES = 5_000, 10_000, 0.2, (0.23, 0.25, 0.3, 0.4)  # as in peers/streams.py
APART = 1e5  # rows between two false alarms, on average at least
OURS = {"e-detector, told 20 %": 0.2, "e-detector, 20 % and a tenth more": 0.22}


def run(cache: Path, *, quick: bool) -> Result:
    """Follow the same streams by everybody; `quick` takes few."""
    seeds = 5 if quick else 60
    found = {name: _ours(p0, seeds) for name, p0 in OURS.items()}
    found |= json.loads(run_peer(cache, "river", "streams.py", str(seeds)).splitlines()[-1])
    heads = ("detector", f"false alarms in {BEFORE:,} rows", *(f"median delay, {rate:.0%}" for rate in RATES),
             f"missed at {RATES[0]:.0%}", "1,000 rows per CPU second")  # fmt: skip
    notes = (
        f"{seeds} streams per rate: {USUAL:.0%} of errors, from row {BEFORE:,} on the rate above for {AFTER:,} rows.",
        "Delays and misses leave out streams with a false alarm. The e-detector is told the usual rate (the gate "
        f"measured it) and promises {APART:,.0f} rows between false alarms; the others learn it and promise nothing.",
        f"Others: river {version(cache, 'river')}, with its defaults.",
    )
    rows = tuple(_row(name, told, seeds) for name, told in found.items())
    return Result(title="M6: streams of errors", columns=heads, rows=rows, notes=notes)


def stream(seed: int, rate: float) -> np.ndarray:
    """Return errors, 0 or 1, the same as river gets."""
    rng = np.random.default_rng([6, seed])
    return np.concatenate([rng.random(BEFORE) < USUAL, rng.random(AFTER) < rate]).astype(np.int64)


def _ours(p0: float, seeds: int) -> dict:
    detector, began, seen, rows = EDetector(p0=p0), time.process_time(), 0, {}
    for rate in RATES:
        firsts = []
        for seed in range(seeds):
            _, at = detector.run(detector.start(), stream(seed, rate), threshold=APART)
            firsts.append(-1 if at is None else at)
            seen += BEFORE + AFTER if at is None else at + 1
        rows[str(rate)] = firsts
    return {"first": rows, "per_second": seen / (time.process_time() - began)}


def _row(name: str, told: dict, seeds: int) -> tuple[str, ...]:
    firsts = {rate: np.array(told["first"][str(rate)]) for rate in RATES}
    early = {rate: (one >= 0) & (one < BEFORE) for rate, one in firsts.items()}
    delays = []
    for one in firsts.values():
        late = one[(one >= BEFORE)]
        delays.append(f"{np.median(late) - BEFORE:,.0f}" if len(late) else "never")
    missed = int((firsts[RATES[0]] < 0).sum())
    alarms = int(early[RATES[0]].sum())
    per_second = f"{told['per_second'] / 1e3:,.0f}"
    return (name, f"{alarms} of {seeds}", *delays, f"{missed} of {seeds - alarms}", per_second)
