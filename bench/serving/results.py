"""What was measured, one JSON line each, so that nothing is lost when a run is ended."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import environments
from closed import Closed
from open_loop import Open
from swaps import Kills, Swaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One start of a server, after its points."""

    contestant: str
    model: str
    repeat: int
    cold: float  # seconds from start to the first right answer
    memory: int  # bytes, PSS of all processes after the closed loop
    processes: int
    failed: str  # why it did not start; ""


Record = TypeVar("Record", Life, Closed, Open, Swaps, Kills)


class Results:
    """The lines of `results.jsonl`."""

    TYPES: ClassVar = {one.__name__: one for one in (Life, Closed, Open, Swaps, Kills)}

    def __init__(self, path: Path, fresh: bool) -> None:
        self.path = path
        if fresh:
            path.unlink(missing_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.records = [self.TYPES[kind](**fields) for kind, fields in map(json.loads, lines) if kind in self.TYPES]
        self.about = [fields for kind, fields in map(json.loads, lines) if kind == "about"]

    def add(self, record: Any) -> None:
        self.records.append(record)
        self._write(type(record).__name__, asdict(record))
        print(_told(record), file=sys.stderr, flush=True)

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]

    def describe(self, cache: Path, names: list[str], **settings: object) -> None:
        """Note the machine and the versions, once."""
        if self.about:
            return
        command = ["git", "describe", "--always", "--exclude=*", "--dirty"]
        commit = subprocess.run(command, cwd=environments.ROOT, capture_output=True, text=True, check=False)
        about = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "versions": {name: environments.installed(cache, name) for name in names if name != "raw"},
            "python": platform.python_version(),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release().split("-")[0],
            "load": [round(one, 1) for one in os.getloadavg()],
            "commit": commit.stdout.strip().replace("-dirty", " with changes"),
            **settings,
        }
        self.about.append(about)
        self._write("about", about)

    def _write(self, kind: str, fields: dict[str, object]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([kind, fields]) + "\n")


def _told(record: Any) -> str:
    shown = {key: round(one, 2) if isinstance(one, float) else one for key, one in asdict(record).items()}
    return " ".join(f"{key}={one}" for key, one in shown.items() if one not in ("", [], 0, None))


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
