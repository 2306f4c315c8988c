"""How the steps of runs were wired, as their rows tell it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from detent.loop.lineage.executions import inputs_of, outputs_of
from detent.store.database import Row


@dataclass(slots=True)
class Wired:
    """One step of a run, with all items of a fan-out taken together."""

    sources: set[str] = field(default_factory=set)  # steps and datasets that it reads from
    outputs: set[str] = field(default_factory=set)  # digests


def source_of(origin: str) -> str:
    """Return the step or dataset of an origin such as `split.train`."""
    return origin.partition(".")[0]


def wired_runs(rows: Iterable[Row]) -> Iterator[tuple[Row, dict[str, Wired]]]:
    """Yield each run of rows that a `wiring_of...` query gave, with its steps by name."""
    for _, group in groupby(rows, key=lambda row: row["id"]):
        steps: dict[str, Wired] = {}
        row: Row = {}
        for row in group:
            if row["step"] is None:
                continue  # a run of which no step has ended
            wired = steps.setdefault(row["step"], Wired())
            wired.sources.update(source_of(origin) for _, _, origin in inputs_of(row))
            wired.outputs.update(digest for _, digest in outputs_of(row))
        yield row, steps


def behind(steps: Mapping[str, Wired], first: set[str]) -> set[str]:
    """Return the steps that read, directly or not, from one of `first` (steps or datasets); `first` is not included."""
    readers: dict[str, list[str]] = {}
    for name, wired in steps.items():
        for source in wired.sources:
            readers.setdefault(source, []).append(name)
    reached: set[str] = set()
    waiting = list(first)
    while waiting:
        for name in readers.get(waiting.pop(), ()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached


def snapshots_given(row: Row) -> dict[str, str]:
    """Return the digest of each dataset's version that a run was given."""
    return {name: given["digest"] for name, given in json.loads(row["given"] or "{}").items()}
