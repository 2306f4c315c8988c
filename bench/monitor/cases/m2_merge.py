"""How fast rows are counted, and that the counts are the same bytes however many processes saw them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from result import Result

from detent.statistics.granules import count, to_bytes, total
from detent.statistics.layout import OUTPUT, layout_of

COLUMNS = 20
WORKERS = (1, 4, 16, 64)


def run(cache: Path, *, quick: bool) -> Result:  # noqa: ARG001  (needs no other environment)
    """Count normal columns in one piece, then split and shuffled; merge, and compare bytes."""
    rows = 20_000 if quick else 1_000_000
    generator = np.random.default_rng(0)
    columns = {f"x{number}": generator.normal(size=rows) for number in range(COLUMNS)}
    score = generator.random(rows)
    layout = layout_of({**columns, OUTPUT: score[:10_000]}, [(name, "number") for name in columns])
    owner = generator.integers(0, 64, rows)
    whole, table = b"", []
    for workers in WORKERS:
        began = time.process_time()
        parts = [
            count(layout, {name: values[mine] for name, values in columns.items()}, score[mine])
            for mine in (np.flatnonzero(owner % workers == number) for number in range(workers))
        ]
        counted = time.process_time() - began
        began = time.process_time()
        merged = to_bytes(total(parts[::-1]))
        seconds = time.process_time() - began
        whole = whole or merged
        rate = rows * (COLUMNS + 1) / counted / 1e6
        same = "the same" if merged == whole else "DIFFERENT"
        table.append((str(workers), f"{rate:.1f}", f"{1e3 * seconds:.2f}", f"{len(merged):,}", same))
    return Result(
        title=f"M2: {rows:,} rows x {COLUMNS} columns and a score, split over workers and shuffled",
        columns=("workers", "million values/s of one core", "merge (ms)", "bytes", "counts"),
        rows=tuple(table),
        notes=("Seconds are CPU seconds. 60 bins per column, 240 of the score, about 20 of equal mass for profiles.",),
    )
