"""Rough treatment: a pipeline killed at random moments, and two processes that run the same one at once."""

from __future__ import annotations

import random
import re
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import shape as shapes
from measure import Sample
from tool import Place, Tool, clear, executed, last_line

from project import Project

COUNT = 20
WORK = "    import time\n\n    time.sleep(0.25)\n    ran(step)\n"
CAP = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What came of some kills at random moments of a run of 20 steps of 0.25 s, each followed by a restart."""

    tool: str
    kills: int
    repeated: int  # executions of steps that had ended before a kill, over all kills
    wrong: int  # projects with a wrong answer at the end
    stuck: int  # projects that no restart brought to an end: somebody must clean up
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What came of two processes that start the same cold pipeline of 20 steps at once."""

    tool: str
    executed: int  # 20 is best
    failed: int  # processes that ended with an error
    right: bool
    note: str


def crash(tool: Tool, cache: Path, kills: int, seed: int) -> Crash:
    """One project for each kill: run, SIGKILL to everything at a random moment, restart until it ends (3 times)."""
    draws = random.Random(seed)
    repeated = wrong = stuck = 0
    note = ""
    length = 0.0
    for turn in range(kills + 1):
        place, project = _make(tool, cache, "crash")
        with tool.serving(place):
            clear(place)
            if turn == 0:  # how long it takes
                length = tool.run(place, cap=CAP).wall
                continue
            _run_and_kill(tool, place, draws.uniform(0.0, length))
            samples = [tool.execute(tool.again(), place, cap=CAP)]
            if samples[0].code:
                note = last_line(samples[0], place)
            while samples[-1].code and len(samples) < 3:
                samples.append(tool.run(place, cap=CAP))
            counts = Counter(executed(place))
            repeated += sum(times - 1 for times in counts.values())
            stuck += bool(samples[-1].code)
            wrong += not samples[-1].code and not _right(tool, project, place)
    return Crash(tool=tool.name, kills=kills, repeated=repeated, wrong=wrong, stuck=stuck, note=note)


def pair(tool: Tool, cache: Path) -> Pair:
    place, project = _make(tool, cache, "pair")
    with tool.serving(place), ThreadPoolExecutor(2) as pool:
        clear(place)
        samples = list(pool.map(lambda turn: _beside(tool, place, turn), range(2)))
        steps = len(executed(place))
        failed = [sample for sample in samples if sample.code]
        right = _right(tool, project, place)
    note = last_line(failed[0], place) if failed else ""
    return Pair(tool=tool.name, executed=steps, failed=len(failed), right=right, note=note)


def _make(tool: Tool, cache: Path, kind: str) -> tuple[Place, Project]:
    root = cache / "work" / kind / re.sub(r"\W+", "-", tool.name)
    shutil.rmtree(root, ignore_errors=True)
    place = Place(folder=root / "project", home=root / "home", log=root / "log.txt", cache=cache)
    place.folder.mkdir(parents=True)
    place.home.mkdir()
    project = shapes.build("chain", COUNT, str(place.log), tool.per_module)
    # The step is noted at its end: what was under way at the kill must be done again by anybody.
    slow = {
        name: text.replace("    ran(step)\n", WORK) if name in {"early.py", "late.py"} else text
        for name, text in project.files.items()
    }
    project = Project(steps=project.steps, files=slow)
    tool.make(project, place)
    return place, project


def _run_and_kill(tool: Tool, place: Place, seconds: float) -> None:
    watch = threading.Event()
    timer = threading.Timer(seconds, watch.set)
    timer.start()
    tool.run(place, cap=CAP, watch=watch)
    timer.cancel()


def _beside(tool: Tool, place: Place, turn: int) -> Sample:
    """One of two runs: each has a file of its own for what it prints."""
    return tool.execute(tool.command(report=False), place, cap=CAP, printed=f"printed-{turn}.txt", alone=False)


def _right(tool: Tool, project: Project, place: Place) -> bool:
    try:
        tool.run(place, report=True, cap=CAP)
        return tool.result(project, place) == shapes.answer(project, {})
    except (OSError, ValueError, LookupError, SystemExit):
        return False
