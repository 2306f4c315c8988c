"""River's detectors on streams of errors: SEEDS -> JSON {detector: {"first": {rate: [row or -1]}, "per_second": n}}."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from river import drift

BEFORE, AFTER, USUAL, RATES = 5_000, 10_000, 0.2, (0.23, 0.25, 0.3, 0.4)
DETECTORS = {
    "ADWIN": drift.ADWIN,
    "Page-Hinkley": drift.PageHinkley,
    "DDM": drift.binary.DDM,
    "HDDM-A": drift.binary.HDDMA,
    "HDDM-W": drift.binary.HDDMW,
}


def stream(seed: int, rate: float) -> np.ndarray:
    """Return errors, 0 or 1: the usual rate first, then another one."""
    rng = np.random.default_rng([6, seed])
    return np.concatenate([rng.random(BEFORE) < USUAL, rng.random(AFTER) < rate]).astype(np.int64)


def first(detector, errors: list[int]) -> int:
    """Return the row of the first alarm; -1: none."""
    for row, error in enumerate(errors):
        detector.update(error)
        if detector.drift_detected:
            return row
    return -1


def main() -> None:
    """Print the first alarm of each detector on each stream."""
    found: dict[str, dict] = {}
    for name, make in DETECTORS.items():
        rows, began = {}, time.process_time()
        for rate in RATES:
            rows[str(rate)] = [first(make(), stream(seed, rate).tolist()) for seed in range(int(sys.argv[1]))]
        seen = sum(BEFORE + AFTER if one < 0 else one + 1 for listed in rows.values() for one in listed)
        found[name] = {"first": rows, "per_second": seen / (time.process_time() - began)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
