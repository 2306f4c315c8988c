"""Metaflow with local storage: a process for each step, no cache across runs (`resume` never compares code)."""

# ruff: noqa: ARG002 - not every tool needs all that a case gives it

from __future__ import annotations

from collections.abc import Sequence

from tool import Place, Tool

import project as projects
from project import Project, Step, Writer

RESULT = """

if __name__ == "__main__":
    Bench()
"""
SHOW = """import json
import os
from pathlib import Path

from metaflow import Flow, namespace

namespace(None)
answer = Flow("Bench").latest_successful_run.data.value
Path(os.environ["BENCH_REPORT"]).write_text(json.dumps(answer))
"""


class Metaflow(Tool):
    name = "Metaflow"
    environment = "metaflow"
    caches = False

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        projects.write(project, writer, lambda _step: "")
        body = "".join(methods(project))
        head = f"import json\n\n{projects.imports(project)}from metaflow import FlowSpec, step\n\n"
        writer.write("flow.py", f"{head}\nclass Bench(FlowSpec):\n{body}{RESULT}")
        writer.write("show.py", SHOW)
        return writer

    def command(self, report: bool) -> Sequence[str]:
        return ["python", "flow.py", "--no-pylint", "run", "--max-workers", "2"]

    def again(self) -> Sequence[str]:
        return ["python", "flow.py", "--no-pylint", "resume", "--max-workers", "2"]

    def result(self, project: Project, place: Place) -> object:
        self.prepare(["python", "show.py"], place)
        return super().result(project, place)


def methods(project: Project) -> list[str]:
    """A method for each step. Metaflow wants `start` and `end` that are no joins, and joins that do not split."""
    levels = project.levels()
    wide = [len(level) > 1 for level in levels]
    names = [[step.name for step in level] for level in levels]
    if not wide[0]:
        names[0] = ["start"]
    names.append(["end"])
    if not wide[-1] and len(levels) > 1:
        names.pop()
        names[-1] = ["end"]
    found = [method("start", "self", "pass", names[0])] if wide[0] else []
    for depth, level in enumerate(levels):
        following = names[depth + 1] if depth + 1 < len(names) else []
        join = [f"join_{depth:05d}"] if wide[depth] else following
        for name, step in zip(names[depth], level, strict=True):
            found.append(method(name, "self", work(step, depth, wide), join))
        if wide[depth]:
            kept = ", ".join(f'"{name}": inputs.{name}.value' for name in names[depth])
            lines = f"self.values = {{{kept}}}\n        self.value = inputs.{names[depth][-1]}.value"
            split = [f"split_{depth:05d}"] if len(following) > 1 else following
            found.append(method(join[0], "self, inputs", lines, split))
            if split != following:
                found.append(method(split[0], "self", "pass", following))
    return [*found, method("end", "self", "pass", [])] if len(names) > len(levels) else found


def work(step: Step, depth: int, wide: list[bool]) -> str:
    """The call; in a chain the value itself goes from step to step, after a join the values of the level by name."""
    before = depth > 0 and wide[depth - 1]
    values = [f'self.values["{name}"]' if before else "self.value" for name in step.inputs]
    values += [f'json.load(open("params.json"))["{name}"]' for name in step.params]
    return f"self.value = {step.module}.{step.name}({', '.join(values)})"


def method(name: str, arguments: str, line: str, following: list[str]) -> str:
    then = f"        self.next({', '.join(f'self.{one}' for one in following)})\n" if following else ""
    return f"    @step\n    def {name}({arguments}):\n        {line}\n{then}\n"
