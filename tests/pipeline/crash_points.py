"""A program that runs a pipeline, kills it at a chosen operation, runs it again and looks whether anything is wrong.

`python crash_points.py FOLDER` reads a JSON request per line and answers each with a line. It has loaded
everything that a run needs and has no threads: each run is a fork of it, which saves a second per crash.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from crash_checks import Look, ids, judge, look, open_all, plain
from in_process import InProcess

from detent.pipeline import InputFrame, LocalExecutor, store
from detent.pipeline.codecs.table import blobs_of, dump
from detent.pipeline.graph import build
from detent.pipeline.run import run
from detent.project.code import load_callable
from detent.testing.crash import crash, unsupported

LARGEST_OFFSET = 0.3  # seconds between the beginnings of two runs at once; one takes about as long
LONGEST_RESTART = 28.0  # seconds; a lease of a dead owner that was waited for would take 30 and more
FRAME = pl.DataFrame({"id": list(range(12)), "x": [0.5 * number for number in range(12)]})

PIPELINE = """
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from detent.pipeline import checkpoint, pipeline, step


def did(label: str) -> None:
    descriptor = os.open(os.path.join(*DID), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, (label + chr(10)).encode())
    os.close(descriptor)


class Split(NamedTuple):
    train: pl.DataFrame
    rest: pl.DataFrame
    note: dict[str, float]


@step
def clean(rows: pl.DataFrame) -> pl.DataFrame:
    did("clean")
    return rows.filter(pl.col("x") > 0.5)


@step
def split(rows: pl.DataFrame, share: float) -> Split:
    did("split")
    size = int(rows.height * share)
    return Split(rows.head(size), rows.tail(-size), {"share": share})


@step
def fit(fold: int, part: Split) -> np.ndarray:
    did(f"fit[{fold}]")
    return part.train["x"].to_numpy() * fold


@step
def slow(rows: pl.DataFrame) -> int:
    did("slow")
    kept = checkpoint()
    for stage in range(3):
        if not (kept.folder / f"stage{stage}").exists():
            (kept.folder / f"stage{stage}").write_text(str(stage))
            kept.save()
    return sum(int(path.read_text()) for path in sorted(kept.folder.iterdir()))


@step
def folder(rows: pl.DataFrame) -> Path:
    did("folder")
    target = Path(OUT)
    (target / "deep").mkdir(parents=True, exist_ok=True)
    (target / "a.csv").write_text(rows.write_csv())
    (target / "deep" / "b.txt").write_text("b")
    return target


@step
def report(fits: list[np.ndarray], note: dict[str, float], stages: int) -> dict[str, object]:
    did("report")
    return {"sums": [float(one.sum()) for one in fits], "note": note, "said": Path("note.txt").read_text(), "n": stages}


@pipeline
def flow(rows, share=0.5):
    cleaned = clean(rows)
    part = split(cleaned, share)
    fits = fit.map(fold=[0, 1, 2])(part=part)
    return {"report": report(fits, part.note, slow(cleaned)), "folder": folder(part.rest)}
"""


class Points:
    """The folders, and what an undisturbed run gives."""

    def __init__(self, top: Path) -> None:
        self.top, self.state, self.did = top, top / "state", top / "did"
        self.wanted: dict[str, Look] = {}
        (top / "project").mkdir(parents=True)
        text = PIPELINE.replace("DID", repr(self.did.parts)).replace("OUT", repr(str(top / "out")))
        (top / "project" / "crashing.py").write_text(text)
        self._begin("empty")
        in_child(lambda: self._run("old"))
        in_child(self._wear)
        self.state.rename(top / "worn")

    def count(self, begin: str) -> list[dict[str, str]]:
        """Run without a disturbance from a beginning, remember what it gives, return its operations.

        "empty" has no state; in "worn" results are there, of which one is damaged, one is lost and one out of date.
        """
        self._begin(begin)
        counted = crash(lambda: self._run("last"), self.state)
        if counted.status or counted.killed:
            raise RuntimeError(f"the undisturbed run ended with {counted.status}")
        self.wanted[begin] = Look(**in_child(lambda: asdict(look(self.top))))
        return [asdict(operation) for operation in counted.operations]

    def kill(self, begin: str, at: list[int], *, workers: bool) -> dict[str, Any]:
        """Kill a run before each of these operations in turn, then let one come to its end; return what is wrong.

        All processes of the run die, or (`workers`) the steps run in two processes and the one dies that is about to
        make the operation: a worker, which the run survives, or the driver.
        """
        self._begin(begin)
        processes = 2 if workers else 0
        ends = [
            crash(partial(self._run, f"killed-{number}", processes), self.state, at=one, alone=workers)
            for number, one in enumerate(at)
        ]
        found = self._conclude(begin, kills=len(at) * max(1, processes))
        return {**found, "killed": [end.killed for end in ends], "status": [end.status for end in ends]}

    def race(self, seed: int, at: int | None) -> dict[str, Any]:
        """Begin two runs at nearly the same time, kill one of them (`at`) or none; return what is wrong."""
        self._begin("empty")
        dice = random.Random(seed)
        first = partial(self._run, "first" if at is None else "killed-0")
        kill = partial(crash, first, self.state, at=at)
        actions = [lambda: plain(asdict(kill()))["status"] if at is not None else first(), partial(self._run, "second")]
        dice.shuffle(actions)
        collect = [start_child(partial(after, dice.random() * LARGEST_OFFSET, action)) for action in actions]
        for one in collect:
            one()
        return self._conclude("empty", kills=0 if at is None else 1)

    def _conclude(self, begin: str, *, kills: int) -> dict[str, Any]:
        began = time.monotonic()
        before, after = in_child(self._restart)
        seconds = time.monotonic() - began
        wrong = judge(Look(**before), Look(**after), self.wanted[begin], kills=kills)
        if seconds > LONGEST_RESTART:
            wrong.append(f"the restart took {seconds:.0f} s")
        return {"wrong": wrong, "did": before["did"]}

    def _begin(self, begin: str) -> None:
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.top / "out", ignore_errors=True)
        self.did.unlink(missing_ok=True)
        (self.top / "project" / "note.txt").write_text(begin)
        if begin == "worn":
            shutil.copytree(self.top / "worn", self.state)

    def _wear(self) -> None:
        """Damage a blob of one step and remove one of another."""
        workspace = open_all(self.top)
        for step, harm in (("clean", damage), ("folder", Path.unlink)):
            (key,) = ids(workspace.db, f"SELECT key AS id FROM entries WHERE step = '{step}'")
            (entry,) = store.entries_of(workspace.db, key)
            blob = blobs_of(entry.outputs["result"], workspace.blobs)[-1]
            harm(workspace.blobs.path(blob))
            with (self.state / "harmed").open("a") as file:
                file.write(f"{blob}\n")
        workspace.db.close()

    def _restart(self) -> tuple[dict[str, Any], dict[str, Any]]:
        before = look(self.top)
        self._run("last")
        return asdict(before), asdict(look(self.top))

    def _run(self, name: str, processes: int = 0) -> None:
        workspace = open_all(self.top)
        executor = LocalExecutor(processes) if processes else InProcess()
        graph = build(load_callable("crashing.py:flow", workspace.folder), inputs=("rows",), params={})
        digest = dump(FRAME, workspace.blobs).digest
        result = run(
            graph,
            inputs={"rows": InputFrame(digest=digest, parts=(digest,))},
            workspace=workspace,
            run_id=name,
            executor=executor,
        )
        executor.close()
        workspace.db.close()
        if result.errors:
            raise result.errors[0]


def damage(path: Path) -> None:
    """Change one byte."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def after(seconds: float, action: Callable[[], Any]) -> Any:
    """Do something later."""
    time.sleep(seconds)
    return action()


def start_child(action: Callable[[], Any]) -> Callable[[], Any]:
    """Call a function in a fork of this process; return how to wait for what it returns, as JSON."""
    ours, theirs = os.pipe()
    process = os.fork()
    if not process:
        try:
            told = json.dumps({"done": action()})
        except BaseException:  # noqa: BLE001  (a process edge)
            told = json.dumps({"failed": traceback.format_exc()})
        with os.fdopen(theirs, "w") as line:
            line.write(told)
        os._exit(0)
    os.close(theirs)

    def collect() -> Any:
        with os.fdopen(ours) as line:
            answer = json.loads(line.read())
        os.waitpid(process, 0)
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer["done"]

    return collect


def in_child(action: Callable[[], Any]) -> Any:
    """Call a function in a fork of this process and return what it returns, as JSON."""
    return start_child(action)()


def serve(top: Path) -> None:
    """Answer a line with a line until there are no more."""
    points = Points(top)
    actions = {"unsupported": unsupported, "count": points.count, "kill": points.kill, "race": points.race}
    for line in sys.stdin:
        do, given = json.loads(line)
        try:
            answer: object = actions[do](**given)
        except Exception:  # noqa: BLE001  (a process edge)
            answer = {"wrong": [traceback.format_exc()]}
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
