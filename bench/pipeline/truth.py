"""Who is right: each row of the truth table with each tool, one real experiment after the other."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rows import Row
from scene import Scene, add_package, remove_packages
from tool import Place, Tool, clear, executed, last_line
from tools.bare import Bare

CAP = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of an experiment."""

    steps: tuple[str, ...]  # that were executed
    answer: object  # None: there was none
    error: str  # "": it ended well


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came out of a row with a tool."""

    row: int
    tool: str
    word: str  # right, more, all, stale, error, or n/a
    executed: int  # steps after the last change
    minimum: int
    got: str
    expected: str
    note: str


def judge(tool: Tool, row: Row, cache: Path, expected: list[object]) -> Verdict:
    """Go through a row with a tool and hold it against the answers of plain Python."""
    if row.impossible:
        return Verdict(
            row=row.number, tool=tool.name, word="n/a", executed=0, minimum=0, got="", expected="", note=row.impossible
        )
    ran, note = experiment(tool, row, cache)
    first = ran[0]
    wrong = [index for index, one in enumerate(ran) if one.answer != expected[index] and (index or not row.meets)]
    errors = [one.error for one in ran[1:] if one.error] + ([first.error] if first.error and not row.meets else [])
    minimum = len(row.must) * len(row.changes)
    steps = sum(len(one.steps) for one in ran[1:])
    if errors:
        word = "error"
    elif wrong:
        word = "stale"
    elif steps <= minimum:
        word = "right"
    else:
        word = "more" if tool.caches else "all"
    return Verdict(
        row=row.number,
        tool=tool.name,
        word=word,
        executed=steps,
        minimum=minimum,
        got=" | ".join(str(one.answer) for one in ran[1:]),
        expected=" | ".join(map(str, expected[1:])),
        note="; ".join(filter(None, [note, *errors[:1]])),
    )


def right_answers(row: Row, cache: Path) -> list[object]:
    """What plain Python says at each run."""
    if row.impossible:
        return []
    ran, _ = experiment(Bare(), row, cache)
    if any(one.error for one in ran):
        raise SystemExit(f"row {row.number}: plain Python fails: {ran}")
    answers = [one.answer for one in ran]
    if row.must and row.number not in {12, 13, 21} and not row.meets and len({*answers}) != len(answers):
        raise SystemExit(f"row {row.number}: the change does not change the answer: {answers}")
    return answers


def experiment(tool: Tool, row: Row, cache: Path) -> tuple[list[Ran], str]:
    """A first run, then a run after each change of the row; or the change in the middle of the first run."""
    root = cache / "truth" / f"{row.number:02d}"
    shutil.rmtree(root, ignore_errors=True)
    place = Place(
        folder=root / "project", home=root / "home", log=root / "log.txt", cache=cache, variables=dict(row.env)
    )
    place.folder.mkdir(parents=True)
    place.home.mkdir()
    project = row.project(str(place.log))
    remove_packages(cache, tool.environment)
    if row.package:
        add_package(cache, tool.environment, row.package)
    scene = Scene(tool=tool, project=project, place=place, writer=tool.make(project, place))
    ran = [_met(scene, row) if row.meets else _run(scene)]
    for change in row.changes:
        scene.answer = ran[-1].answer
        if not row.meets:
            change(scene)
        ran.append(_run(scene))
    remove_packages(cache, tool.environment)
    return ran, scene.note


def _run(scene: Scene) -> Ran:
    clear(scene.place)
    sample = scene.tool.run(scene.place, report=True, cap=CAP)
    answer: object = None
    error = last_line(sample, scene.place) if sample.code else ""
    if not error:
        try:
            answer = scene.tool.result(scene.project, scene.place)
        except (OSError, ValueError, LookupError, SystemExit) as failure:
            error = f"no answer: {type(failure).__name__}"
    return Ran(steps=tuple(executed(scene.place)), answer=answer, error=error)


def _met(scene: Scene, row: Row) -> Ran:
    """A run in whose middle the change happens: the step waits until it is done."""
    here, go = (Path(f"{scene.place.log}.{name}") for name in ("here", "go"))
    found: list[Ran] = []
    thread = threading.Thread(target=lambda: found.append(_run(scene)))
    thread.start()
    deadline = time.monotonic() + CAP
    while not here.exists() and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    with contextlib.suppress(FileNotFoundError):
        row.changes[0](scene)
    go.touch()
    thread.join()
    return found[0]
