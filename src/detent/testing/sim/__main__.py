"""`python -m detent.testing.sim FOLDER SEED...`: live through some weeks of a campaign, one line of JSON for each."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from detent.testing.sim.campaign import reopen
from detent.testing.sim.many import Lived
from detent.testing.sim.run import run_seed


def main(arguments: Sequence[str]) -> None:
    """Run."""
    logging.disable(logging.CRITICAL)  # refused versions are part of the game
    campaign = reopen(Path(arguments[0]))
    for seed in map(int, arguments[1:]):
        began, worked = time.monotonic(), time.process_time()
        week = run_seed(campaign, seed)
        lived = Lived(
            seed=seed, content=week.content, events=week.events, answers=week.answers, faults=len(week.faults),
            broken=week.broken, seconds=time.monotonic() - began, cpu_seconds=time.process_time() - worked,
        )  # fmt: skip
        sys.stdout.buffer.write(msgspec.json.encode(lived) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
