"""Run as `python -m detent.loop.judging.footprint FOLDER`: load a bundle, answer rows, and say how much memory it took.

Rows come on standard input as JSON (column -> values); the answer goes to standard output. Only a fresh process tells:
one that was forked, or has opened another model before, holds what is not this model's.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from detent.bundle.load import load

_KIB = 1024


def main(folder: Path) -> None:
    """Load, answer all rows at once and one by one, and write {"peak": bytes}."""
    columns: dict[str, list[object]] = json.load(sys.stdin)
    predictor = load(folder)
    predictor.predict(columns)
    for row in range(len(next(iter(columns.values()), []))):
        predictor.predict({name: values[row : row + 1] for name, values in columns.items()})
    sys.stdout.write(json.dumps({"peak": peak()}))


def peak() -> int:
    """Return the most that this process, and processes that it runs a model in, ever kept resident, in bytes.

    On Linux by `VmHWM`: `getrusage` tells what the parent had before it started this process.
    """
    own = Path("/proc/self/status")
    if not own.is_file():
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * _KIB
    return sum(_high_water(status) for status in (own, *children(Path("/proc/self"))))


def children(process: Path) -> list[Path]:
    """Return the status files of a process' children and theirs, as Linux lists them."""
    found: list[Path] = []
    for listed in process.glob("task/*/children"):
        for number in listed.read_text().split():
            child = Path("/proc") / number
            found += [child / "status", *children(child)]
    return found


def _high_water(status: Path) -> int:
    try:
        lines = status.read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) * _KIB for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
