"""M3: alarm days of a month without any drift, and the day on which a shift of 0.1 sd in one of 20 columns is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from environments import run_peer, version
from ours import look, reference_of, window_of
from result import Result

COLUMNS, DAYS, REFERENCE = 20, 30, 10_000
SETTINGS = ((200, 0.0), (1000, 0.0), (1000, 0.1))  # rows a day, shift
MODELS = {"detent": 20, "evidently": 3, "nannyml": 20}


def ours(models: int, rows: int, shift: float) -> list[list[bool]]:
    """Return whether any column alarmed on each day."""
    names = [f"x{i}" for i in range(COLUMNS)]
    found = []
    for model in range(models):
        rng = np.random.default_rng([3, model])
        reference = reference_of(pl.DataFrame(rng.normal(size=(REFERENCE, COLUMNS)), schema=names))
        windows = []
        for _ in range(DAYS):
            day = rng.normal(size=(rows, COLUMNS))
            day[:, 0] += shift
            windows.append(window_of(reference, pl.DataFrame(day, schema=names)))
        found.append([bool(look(reference, *windows[max(0, n - 27) : n + 1])) for n in range(DAYS)])
    return found


def run(cache: Path, *, quick: bool) -> Result:
    """Draw months and ask every tool each day; `quick` leaves the peers out."""
    tools = ("detent",) if quick else tuple(MODELS)
    rows = []
    for size, shift in SETTINGS:
        cells = []
        for tool in tools:
            models = 3 if quick else MODELS[tool]
            if tool == "detent":
                days = np.array(ours(models, size, shift))
            else:
                told = run_peer(cache, tool, "months.py", tool, str(models), str(size), str(shift))
                days = np.array(json.loads(told.splitlines()[-1]))
            cells.append(
                _found(days) if shift else f"{days.sum(axis=1).mean():.2f} alarm days a month ({models} models)"
            )
        rows.append((f"{size:,} rows a day, " + (f"0.1 sd in 1 of {COLUMNS}" if shift else "no drift"), *cells))
    heads = ("detent", *(f"{tool} {version(cache, tool)}" for tool in tools[1:]))
    notes = (
        f"{COLUMNS} normal columns, {REFERENCE:,} rows of reference, 30 days; an alarm is any column on any day.",
        "A tool that alarms without drift also \"finds\" the shift at once: the rows are to be read together.",
    )  # fmt: skip
    return Result(
        title="M3: false alarms and what is found", columns=("setting", *heads), rows=tuple(rows), notes=notes
    )


def _found(days: np.ndarray) -> str:
    first = [int(np.argmax(one)) + 1 for one in days if one.any()]
    week = np.mean(days[:, :7].any(axis=1))
    return (
        f"found in {len(first)} of {len(days)}, within 7 days in {week:.0%}, median day {np.median(first or [0]):.0f}"
    )
