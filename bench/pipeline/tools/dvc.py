"""DVC: a stage for each step in dvc.yaml. Without Git (`--no-scm`), which is the faster way."""

# ruff: noqa: ARG002 - not every tool needs all that a case gives it

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tool import Place, Tool

import project as projects
from project import Project, Step, Writer

STAGE = """from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

module, name, *taken = sys.argv[1:]
params = json.loads(Path("params.json").read_text())
values = [params[one[1:]] if one[0] == "+" else json.loads(Path(f"out/{one}.json").read_text()) for one in taken]
value = getattr(importlib.import_module(module), name)(*values)
Path(f"out/{name}.json").write_text(json.dumps(value))
"""


class Dvc(Tool):
    environment = "dvc"
    per_module = 1

    def __init__(self, listed: bool) -> None:
        self.name = "DVC, all files listed" if listed else "DVC, own module listed"
        self.listed = listed

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        projects.write(project, writer, lambda _step: "")
        writer.write("stage.py", STAGE)
        writer.write("out/.keep", "")
        # JSON is YAML; it is also read more quickly than what users write.
        writer.write("dvc.yaml", json.dumps({"stages": {step.name: self.stage(step) for step in project.steps}}))
        self.prepare(["dvc", "init", "--quiet", "--no-scm"], place)
        return writer

    def stage(self, step: Step) -> dict[str, object]:
        taken = [*step.inputs, *(f"+{name}" for name in step.params)]
        # Data files are named in any dvc.yaml; modules that the script imports are what people forget.
        listed = [name for name in step.listed if self.listed or not name.endswith(".py")]
        stage: dict[str, object] = {
            "cmd": " ".join(["python", "stage.py", step.module, step.name, *taken]),
            "deps": ["stage.py", f"{step.module}.py", *listed, *(f"out/{name}.json" for name in step.inputs)],
            "outs": [f"out/{step.name}.json"],
        }
        if step.params:
            stage["params"] = [{"params.json": list(step.params)}]
        return stage

    def command(self, report: bool) -> Sequence[str]:
        return ["dvc", "repro"]

    def result(self, project: Project, place: Place) -> object:
        return json.loads((place.folder / f"out/{project.result}.json").read_text())

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.folder / ".dvc/cache"], [place.folder / "out"]
