"""M4: tables whose truth is known. Does one bad row blind the monitor, do nulls go unseen, do many levels alarm?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from environments import run_peer, version
from ours import drifted
from result import Result

N, COLUMNS = 5_000, 20
PEERS = ("evidently", "nannyml")


def numbers(rng: np.random.Generator, rows: int, shift: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame({f"x{i}": rng.normal(shift, 1, rows) for i in range(COLUMNS)})


def with_first(table: pl.DataFrame, value: float) -> pl.DataFrame:
    """Put an absurd value into one row of each column."""
    return table.with_columns(pl.Series(name, [value, *table[name][1:]]) for name in table.columns)


def levels(rng: np.random.Generator, rows: int, count: int) -> pl.DataFrame:
    return pl.DataFrame({"level": [f"level {n}" for n in rng.integers(0, count, rows)]})


def zeros(rng: np.random.Generator, rows: int, share: float) -> pl.DataFrame:
    return pl.DataFrame({"amount": np.where(rng.random(rows) < share, 0.0, rng.lognormal(size=rows))})


def few(rng: np.random.Generator, rows: int, new: int) -> pl.DataFrame:
    known = rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2]).tolist()
    return pl.DataFrame({"level": ["new"] * new + known[new:]})


# name -> (reference, current, columns that truly drifted)
CASES: dict[str, Callable[[np.random.Generator], tuple[pl.DataFrame, pl.DataFrame, int]]] = {
    "no drift, 100 rows": lambda r: (numbers(r, N), numbers(r, 100), 0),
    "no drift, 5,000 rows": lambda r: (numbers(r, N), numbers(r, N), 0),
    "one standard deviation": lambda r: (numbers(r, N), numbers(r, N, 1.0), COLUMNS),
    "the same, 1e6 in one current row": lambda r: (numbers(r, N), with_first(numbers(r, N, 1.0), 1e6), COLUMNS),
    "the same, 1e6 in one reference row": lambda r: (with_first(numbers(r, N), 1e6), numbers(r, N, 1.0), COLUMNS),
    "60 % of every column null": lambda r: (
        numbers(r, N),
        numbers(r, N).with_columns(pl.when(pl.Series(r.random(N) > 0.6)).then(pl.all()).otherwise(None)),
        COLUMNS,
    ),
    "0.005 sd, 200,000 rows": lambda r: (
        pl.DataFrame({"x": r.normal(size=200_000)}), pl.DataFrame({"x": r.normal(0.005, 1, 200_000)}), 0
    ),
    "one new level in 100,000 rows": lambda r: (few(r, N, 0), few(r, 100_000, 1), 0),
    "30 rows of a new level in 200": lambda r: (few(r, N, 0), few(r, 200, 30), 1),
    "5,000 levels, no drift": lambda r: (levels(r, N, 5_000), levels(r, N, 5_000), 0),
    "70 % zeros, no drift": lambda r: (zeros(r, N, 0.7), zeros(r, 1_000, 0.7), 0),
    "70 % zeros become 60 %": lambda r: (zeros(r, N, 0.7), zeros(r, 1_000, 0.6), 1),
}  # fmt: skip


def run(cache: Path, *, quick: bool) -> Result:  # noqa: ARG001  (the same tables)
    """Ask every tool about every case; it is quick as it is."""
    folder = cache / "m4"
    folder.mkdir(parents=True, exist_ok=True)
    truth, ours = {}, {}
    for number, (name, make) in enumerate(CASES.items()):
        reference, current, moved = make(np.random.default_rng([4, number]))
        key = f"{number:02d}"
        truth[key], ours[key] = (name, moved, reference.width), drifted(reference, current)
        reference.write_csv(folder / f"{key}.reference.csv")
        current.write_csv(folder / f"{key}.current.csv")
    said = {peer: json.loads(run_peer(cache, peer, "drift.py", peer, str(folder)).splitlines()[-1]) for peer in PEERS}
    rows = tuple(
        (name, f"{moved} of {width}", *(_verdict(one[key], moved) for one in (ours, *said.values())))
        for key, (name, moved, width) in truth.items()
    )
    heads = ("detent", *(f"{peer} {version(cache, peer)}" for peer in PEERS))
    notes = (
        "Columns that each tool calls drifted, with its defaults; **bold** where the truth is missed.",
        "detent looks at one window with a budget of one false alarm a month; the peers have no budget to set.",
    )
    return Result(title="M4: what one window says", columns=("case", "truth", *heads), rows=rows, notes=notes)


def _verdict(found: list[str] | str, moved: int) -> str:
    if isinstance(found, str):
        return f"**{found}**"
    return str(len(found)) if len(found) == moved else f"**{len(found)}**"
