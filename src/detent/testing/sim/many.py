"""Many seeds over several processes: each reads the campaign once and lives through its share of the weeks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from detent.errors import DetentError
from detent.project.environment import all_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One seed in short."""

    seed: int
    content: str  # digest of the ledger's content
    events: int
    answers: int
    faults: int
    broken: str  # "" when every promise was kept
    seconds: float
    cpu_seconds: float


def live_through(folder: Path, seeds: Sequence[int], *, jobs: int, tell: Callable[[Lived], None]) -> list[Lived]:
    """Run seeds of a prepared campaign and return what came of them, by seed; `tell` hears of each as it ends.

    Raises:
        DetentError: a process ended before its seeds did.
    """
    shares = [share for number in range(jobs) if (share := seeds[number::jobs])]
    found: list[Lived] = []

    def one(share: Sequence[int], core: int | None) -> None:
        for lived in _lines(folder, share, core):
            found.append(lived)
            tell(lived)

    with ThreadPoolExecutor(max_workers=max(1, len(shares))) as pool:
        list(pool.map(one, shares, cores_for(len(shares))))
    return sorted(found, key=lambda lived: lived.seed)


def cores_for(jobs: int) -> list[int | None]:
    """Return a core for each job where they take all of them; else None: the system knows who else runs there."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return list(cores) if jobs == len(cores) else [None] * jobs


def _lines(folder: Path, seeds: Sequence[int], core: int | None) -> Iterator[Lived]:
    command = [sys.executable, "-m", "detent.testing.sim", str(folder), *map(str, seeds)]
    # One thread each: the frames are small, and the cores belong to the other seeds.
    variables = {**all_variables(), "POLARS_MAX_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=variables) as process:
        assert process.stdout is not None
        if core is not None:  # small frames go from thread to thread: between two cores that costs more than the work
            with suppress(OSError):  # it has ended, or may not run there any more
                os.sched_setaffinity(process.pid, {core})
        done = 0
        for line in process.stdout:
            done += 1
            yield msgspec.json.decode(line, type=Lived)
    if done < len(seeds):
        raise DetentError(
            what="a process of the simulation ended too early",
            why=f"it lived through {done} of {len(seeds)} seeds and ended with status {process.returncode}",
            fix=f"look at what it printed; again: detent simulate --seed {seeds[done]} --trace",
        )
