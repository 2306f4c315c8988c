"""The timed cases: cold, nothing changed, a leaf, a root or a helper changed, in one shape with one number of steps."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import shape as shapes
from measure import Sample
from tool import Place, Tool, clear, executed, last_line

from project import Project, Writer

ANSWERED = 20.0  # seconds: the answer of a longer run is not asked for by one more run


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often and how long."""

    runs: int = 10
    budget: float = 30.0  # seconds of one tool in one case, after which 5 runs are enough
    hard: float = 120.0  # ... after which any number is
    cap: float = 300.0  # of one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is repeated."""

    shape: str
    count: int
    kind: str  # cold, nothing, leaf, root or helper


@dataclass(slots=True, kw_only=True)
class Timing:
    """What was measured of a case with a tool."""

    shape: str
    count: int
    kind: str
    tool: str
    minimum: int  # steps that must run
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    executed: list[int] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    peak: int = 0  # bytes, in one more run
    right: bool | None = None  # None: not asked
    note: str = ""  # why there are no numbers

    def enough(self, limits: Limits) -> bool:
        spent, done = sum(self.wall), len(self.wall)
        return bool(self.note) or done >= limits.runs or (done >= 5 and spent > limits.budget) or spent > limits.hard


@dataclass(slots=True, kw_only=True)
class Course:
    """A tool's project on its way through the cases of one shape and size."""

    tool: Tool
    shape: str
    count: int
    root: Path
    cache: Path
    project: Project | None = None
    writer: Writer | None = None
    place: Place | None = None
    edits: dict[str, int] = field(default_factory=dict)
    lost: str = ""  # why it cannot go on

    def begin(self) -> tuple[Project, Place]:
        """A fresh project that has never run."""
        shutil.rmtree(self.root, ignore_errors=True)
        place = Place(
            folder=self.root / "project", home=self.root / "home", log=self.root / "log.txt", cache=self.cache
        )
        place.folder.mkdir(parents=True)
        place.home.mkdir()
        self.project = shapes.build(self.shape, self.count, str(place.log), self.tool.per_module)
        self.writer = self.tool.make(self.project, place)
        self.place = place
        self.edits = {}
        return self.project, place


def courses(tools: Sequence[Tool], shape: str, count: int, cache: Path) -> list[Course]:
    root = cache / "work" / f"{shape}-{count}"
    return [
        Course(tool=tool, shape=shape, count=count, root=root / re.sub(r"\W+", "-", tool.name), cache=cache)
        for tool in tools
    ]


def measure_cases(
    going: Sequence[Course], kinds: Sequence[str], limits: Limits, done: Callable[[Timing], None]
) -> None:
    """All cases of some tools in turn, round after round, so that a noisy minute hits all of them."""
    for kind in kinds:
        timings = {}
        for course in going:
            timings[course.tool.name] = Timing(
                shape=course.shape, count=course.count, kind=kind, tool=course.tool.name, minimum=0, note=course.lost
            )
        while open_ones := [course for course in going if not timings[course.tool.name].enough(limits)]:
            for course in open_ones:
                _once(course, kind, timings[course.tool.name], limits)
        for course in going:
            timing = timings[course.tool.name]
            if timing.wall and not timing.note:
                _ask(course, timing, limits)
            done(timing)


def _once(course: Course, kind: str, timing: Timing, limits: Limits) -> None:
    """One run that counts; before the first one of "nothing", one that warms up and shows the memory."""
    try:
        with contextlib.ExitStack() as stack:
            must = _change(course, kind)
            assert course.place is not None
            stack.enter_context(course.tool.serving(course.place))
            if kind == "nothing" and not timing.wall:
                timing.peak = course.tool.run(course.place, cap=limits.cap, memory=True).peak
            clear(course.place)
            timing.load.append(os.getloadavg()[0])
            sample = course.tool.run(course.place, cap=limits.cap)
    except SystemExit as failure:
        timing.note = course.lost = "could not be set up"
        print(failure, file=sys.stderr)
        return
    timing.minimum = len(must)
    timing.executed.append(len(executed(course.place)))
    _keep(course, timing, sample, limits)


def _keep(course: Course, timing: Timing, sample: Sample, limits: Limits) -> None:
    if sample.stopped:
        timing.note = f"> {limits.cap:.0f} s (stopped)"
    elif sample.code:
        assert course.place is not None
        timing.note = f"failed: {last_line(sample, course.place)}"
    else:
        timing.wall.append(sample.wall)
        timing.cpu.append(sample.cpu)
        return
    if timing.kind == "cold" or sample.code:
        course.lost = "its cold run did not end" if timing.kind == "cold" else "an earlier run did not end"


def _change(course: Course, kind: str) -> set[str]:
    if kind == "cold":
        project, _ = course.begin()
        return {step.name for step in project.steps}
    assert course.project is not None
    assert course.writer is not None
    course.edits[kind] = course.edits.get(kind, 0) + 1
    return shapes.edit(kind, course.project, course.writer, course.edits[kind])


def _ask(course: Course, timing: Timing, limits: Limits) -> None:
    """Is the answer right now? Asked by a run of its own, which changes nothing."""
    if timing.wall[-1] > ANSWERED:
        return
    assert course.place is not None
    assert course.project is not None
    with course.tool.serving(course.place):
        course.tool.run(course.place, report=True, cap=limits.cap)
    with contextlib.suppress(OSError, ValueError, LookupError, SystemExit):
        answer = course.tool.result(course.project, course.place)
        timing.right = answer == shapes.answer(course.project, course.edits)


def remove(going: Sequence[Course]) -> None:
    for course in going:
        shutil.rmtree(course.root, ignore_errors=True)
