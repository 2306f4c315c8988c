"""A pipeline as every tool is given it: plain functions in modules, and which of them feeds which.

A tool's adapter writes these modules with its own decorator in place of the line `# step`, and its own wiring.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MARK = re.compile(r"^# step\n(?=(?:@.*\n)*def (\w+)\()", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A function that a tool is told of. Its parameters have the names of the steps (and params) that it takes."""

    name: str
    module: str  # without .py
    inputs: tuple[str, ...] = ()  # steps
    params: tuple[str, ...] = ()  # keys of params.json
    listed: tuple[str, ...] = ()  # what a careful user lists besides its own module: modules it calls, data it reads
    env: tuple[str, ...] = ()  # environment variables that a careful user lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """All that a user writes, without any tool."""

    steps: tuple[Step, ...]  # in an order in which they can run
    files: dict[str, str]  # relative path -> text
    params: dict[str, object] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """The step whose value is the pipeline's answer."""
        return self.steps[-1].name

    def ends(self) -> list[str]:
        """The steps that no step takes."""
        taken = {name for step in self.steps for name in step.inputs}
        return [step.name for step in self.steps if step.name not in taken]

    def levels(self) -> list[list[Step]]:
        """Steps by the length of the longest way to them."""
        depth: dict[str, int] = {}
        for step in self.steps:
            depth[step.name] = 1 + max((depth[name] for name in step.inputs), default=-1)
        grouped = itertools.groupby(sorted(self.steps, key=lambda step: depth[step.name]), lambda s: depth[s.name])
        return [list(group) for _, group in grouped]


class Writer:
    """Writes a project's files, each write 2 s later by its mtime than the one before, starting two hours ago.

    Python itself takes a module of the same size and the same second for unchanged: an edit must not hide there. And
    files that were written the moment before are not what a run usually meets.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = time.time() - 7200

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.clock += 2
        os.utime(path, (self.clock, self.clock))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{name}: {old!r} is there {text.count(old)} times")
        self.write(name, text.replace(old, new))

    def params(self, values: dict[str, object]) -> None:
        self.write("params.json", json.dumps(values))


def write(project: Project, writer: Writer, decorate: Callable[[Step], str], imports: str = "") -> None:
    """Write the user's files, with `decorate(step)` in place of the mark above each step."""
    by_name = {step.name: step for step in project.steps}
    for name, text in project.files.items():
        if name.endswith(".py") and MARK.search(text):
            text = MARK.sub(lambda found: decorate(by_name[found[1]]), text)
            text = text.replace("# imports\n", imports)
        writer.write(name, text)
    writer.params(project.params)


def calls(project: Project, param: str = 'params["{}"]') -> str:
    """The wiring as plain calls: `clean = steps.clean(load, params["rate"])`, one line for each step."""
    lines = []
    for step in project.steps:
        arguments = [*step.inputs, *(param.format(name) for name in step.params)]
        lines.append(f"    {step.name} = {step.module}.{step.name}({', '.join(arguments)})\n")
    return "".join(lines)


def imports(project: Project) -> str:
    return "".join(f"import {module}\n" for module in sorted({step.module for step in project.steps}))
