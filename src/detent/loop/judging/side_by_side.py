"""What candidate and champion take on this machine: time in turns, memory in fresh processes, bytes, money."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.files import bundle_bytes
from detent.bundle.protocol import Predictor
from detent.gate.declared import SideBySide
from detent.records.check import Check
from detent.records.cost import Prices

ROWS, TURNS = 64, 16  # different rows, and how often each is answered by both
SECONDS = 10.0  # after so long no further turn begins
FRESH = 3  # processes of each model
BATCH = 256  # rows that a process answers at once
DEADLINE = 120.0  # seconds for one process
_HOUR = 3600.0
_OUTSIDE = ("remote",)  # predictors whose model is not on this machine

Row = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Party:
    """One of the two: its open model, and the folder of its bundle."""

    predictor: Predictor
    folder: Path

    @property
    def bytes(self) -> int:
        """Size of the bundle's files."""
        return bundle_bytes(self.folder)

    def columns(self, rows: pl.DataFrame) -> Row:
        """Return the model's inputs of some rows; one that the rows lack is all null."""
        names = [field.name for field in self.predictor.signature.inputs]
        return {name: rows[name].to_list() if name in rows.columns else [None] * rows.height for name in names}


def measure(
    candidate: Party, champion: Party | None, rows: pl.DataFrame, checks: Sequence[Check], *, prices: Prices, seed: int
) -> SideBySide | None:
    """Return what the checks ask for, and nothing else is measured; None: none asks."""
    asked = {check.kind for check in checks if check.kind in ("memory", "cost")}
    asked |= {f"{check.kind} beside" for check in checks if check.against and check.kind in ("latency", "size", "cost")}
    if not asked:
        return None
    turns = None
    if champion is not None and asked & {"latency beside", "cost beside"}:
        turns = take_turns(candidate, champion, rows, seed=seed)
    ours, theirs, untold = _memory(candidate, champion, rows) if "memory" in asked else ((), (), "")
    return SideBySide(
        turns=turns,
        memory=ours,
        champion_memory=theirs,
        champion_bytes=champion.bytes if champion is not None else None,
        second=prices.cpu_hour / _HOUR,
        request=prices.million_requests / 1e6,
        currency=prices.currency,
        untold=untold,
    )


def take_turns(candidate: Party, champion: Party, rows: pl.DataFrame, *, seed: int) -> NDArray[np.float64]:
    """Return (pairs, 2) seconds of single rows by candidate and champion; who goes first is decided by lot.

    One round of warming up is left out. A row that one of them can't answer makes no pair.
    """
    few = rows.head(ROWS)
    singles = [[party.columns(few[row : row + 1]) for row in range(few.height)] for party in (candidate, champion)]
    both = (candidate.predictor, champion.predictor)
    lots = np.random.default_rng(seed)
    pairs: list[tuple[float, float]] = []
    began = time.perf_counter()
    for turn in range(TURNS + 1):
        if turn and time.perf_counter() - began > SECONDS:
            break
        for row, first in enumerate(lots.integers(0, 2, few.height)):
            taken = {index: _seconds(both[index], singles[index][row]) for index in (int(first), 1 - int(first))}
            ours, theirs = taken[0], taken[1]
            if turn and ours is not None and theirs is not None:
                pairs.append((ours, theirs))
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _seconds(predictor: Predictor, row: Row) -> float | None:
    began = time.perf_counter()
    try:
        predictor.predict(row)
    except Exception:  # noqa: BLE001  (a row that raises has no time; the gate judges the scores of all rows)
        return None
    return time.perf_counter() - began


def _memory(
    candidate: Party, champion: Party | None, rows: pl.DataFrame
) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """Return the peaks of both, measured in turns, and why ours is not known."""
    ours: list[int] = []
    theirs: list[int] = []
    for _ in range(FRESH):
        found, why = fresh_peak(candidate, rows)
        if found is None:
            return (), (), why
        ours.append(found)
        other = fresh_peak(champion, rows)[0] if champion is not None else None
        if other is not None:
            theirs.append(other)
    return tuple(ours), tuple(theirs), ""


def fresh_peak(party: Party, rows: pl.DataFrame) -> tuple[int | None, str]:
    """Return the peak memory, in bytes, of a process that loads the bundle and answers; else None, and why."""
    told, why = ask_fresh(party, rows, "detent.loop.judging.footprint")
    return (None, why) if told is None else (int(told["peak"]), "")


def ask_fresh(party: Party, rows: pl.DataFrame, module: str) -> tuple[dict[str, Any] | None, str]:
    """Return what a fresh process says that runs `module` over the bundle, with some rows to answer; else why not."""
    manifest = json.loads((party.folder / "manifest.json").read_bytes())
    if manifest.get("predictor") in _OUTSIDE:
        return None, "the model runs elsewhere"
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, str(party.folder)],
            input=json.dumps(party.columns(rows.head(BATCH)), default=str),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        )
        return json.loads(done.stdout), ""
    except subprocess.TimeoutExpired:
        return None, f"it did not answer {BATCH} rows within {DEADLINE:g} s"
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()
        return None, f"a process that served it failed: {last[-1] if last else 'without a word'}"
