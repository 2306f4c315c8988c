"""Hamilton with its cache. The listed way recomputes steps that read data or the environment, as its guide says."""

# ruff: noqa: ARG002 - not every tool needs all that a case gives it

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tool import HEAD, REPORT, Place, Tool

import project as projects
from project import Project, Step, Writer

FLOW = """from hamilton import driver

{imports}
params = json.loads(Path("params.json").read_text())
flow = driver.Builder().with_modules({modules}).with_cache(path="cache").build()
answer = flow.execute({ends}, inputs=params)["{result}"]
"""


class Hamilton(Tool):
    environment = "hamilton"

    def __init__(self, listed: bool) -> None:
        self.name = "Hamilton, readers recomputed" if listed else "Hamilton"
        self.listed = listed

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        used = "from hamilton.function_modifiers import cache\n" if self.listed else ""
        projects.write(project, writer, self.decorate, used)
        modules = ", ".join(sorted({step.module for step in project.steps}))
        used = projects.imports(project)
        flow = FLOW.format(imports=used, modules=modules, ends=project.ends(), result=project.result)
        writer.write("flow.py", HEAD + flow + REPORT)
        return writer

    def decorate(self, step: Step) -> str:
        reads = step.env or any(not name.endswith(".py") for name in step.listed)
        return '@cache(behavior="recompute")\n' if self.listed and reads else ""

    def command(self, report: bool) -> Sequence[str]:
        return ["python", "flow.py", *(["--report"] if report else [])]

    def settings(self, place: Place) -> Mapping[str, str]:
        return {"HAMILTON_AUTOLOAD_EXTENSIONS": "0"}  # it would import every data frame library that is installed

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.folder / "cache"], []
