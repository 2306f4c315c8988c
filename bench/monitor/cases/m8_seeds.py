"""Simulated weeks of the whole loop in which things go wrong: how long they take, and whether a promise was broken."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from result import Result

from detent.cli.scaffold import scaffold
from detent.testing.sim.campaign import prepare
from detent.testing.sim.many import live_through

SEEDS, JOBS = 500, 2
MEMORY = Path("/dev/shm")


def run(cache: Path, *, quick: bool) -> Result:  # noqa: ARG001  (needs no other environment)
    """Live through the weeks."""
    seeds = 10 if quick else SEEDS
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        project = scaffold(Path(folder) / "shop", name="shop", template="tabular")
        began = time.monotonic()
        campaign = prepare(project, Path(folder) / "campaign")
        prepared, began = time.monotonic() - began, time.monotonic()
        lived = live_through(campaign.folder, range(1, seeds + 1), jobs=JOBS, tell=lambda _: None)
        seconds = time.monotonic() - began
    worked = sum(one.cpu_seconds for one in lived)
    broken = [one for one in lived if one.broken]
    figures = (
        ("weeks", f"{len(lived):,}"),
        ("broken promises", str(len(broken))),
        ("faults", f"{sum(one.faults for one in lived):,}"),
        ("answers", f"{sum(one.answers for one in lived):,}"),
        ("events in the ledgers", f"{sum(one.events for one in lived):,}"),
        ("time of all", f"{seconds:,.0f} s"),
        ("CPU time of a week", f"{worked / len(lived):.2f} s"),
        ("time before the first week", f"{prepared:.0f} s"),
    )
    return Result(
        title=f"M8: simulated weeks under faults, {JOBS} processes",
        columns=("", "detent"),
        rows=figures,
        notes=(
            "a project as `detent new` makes it; `detent simulate --seeds` does the same",
            f"the machine's load was {os.getloadavg()[1]:.1f} in the last five minutes; each process has one thread",
            *(f"seed {one.seed} broke a promise: {one.broken}" for one in broken[:5]),
        ),
    )
