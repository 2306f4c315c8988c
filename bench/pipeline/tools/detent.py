"""detent: `detent run` in a project with nothing but a pipeline. Nothing is listed anywhere."""

# ruff: noqa: ARG002 - not every tool needs all that a case gives it

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tool import Place, Tool

import project as projects
from project import Project, Writer

FLOW = """from __future__ import annotations

from detent.pipeline import pipeline

{imports}

@pipeline
def main({params}):
{calls}    return {result}
"""
CONFIG = "project: bench\npipeline: flow.py:main\nparams: {params}\n"


class Detent(Tool):
    environment = "detent"

    def __init__(self, name: str = "detent", arguments: Sequence[str] = ()) -> None:
        self.name = name
        self.arguments = list(arguments)

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        projects.write(project, writer, lambda _step: "@step\n", "from detent.pipeline import step\n")
        flow = FLOW.format(
            imports=projects.imports(project),
            params=", ".join(project.params),
            calls=projects.calls(project, param="{}"),
            result=project.result,
        )
        writer.write("flow.py", flow)
        self.set_params(writer, project, project.params)
        return writer

    def set_params(self, writer: Writer, project: Project, values: dict[str, object]) -> None:
        writer.write("detent.yaml", CONFIG.format(params=json.dumps(values)))

    def command(self, report: bool) -> Sequence[str]:
        return ["detent", "run", *self.arguments]

    def result(self, project: Project, place: Place) -> object:
        """The value of the last step in the last run, from the store."""
        database = sqlite3.connect(f"file:{place.folder / '.detent/detent.db'}?mode=ro", uri=True)
        row = database.execute(
            "SELECT outputs FROM step_runs JOIN runs ON runs.id = step_runs.run WHERE step = ? ORDER BY runs.seq DESC",
            [project.result],
        ).fetchone()
        database.close()
        ((_, digest),) = json.loads(row[0])
        return json.loads(blob(place.folder / ".detent", digest).read_bytes())

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.folder / ".detent"], []


def blob(store: Path, digest: str) -> Path:
    found = [path for path in store.rglob(f"*{digest[4:]}") if path.is_file()]
    return found[0]
