"""Plain Python: one function called after the other, nothing kept. The floor, and the oracle of the truth table."""

from __future__ import annotations

from collections.abc import Sequence

from tool import HEAD, REPORT, Place, Tool

import project as projects
from project import Project, Writer

FLOW = """{imports}
params = json.loads(Path("params.json").read_text())


def main():
{calls}    return {result}


answer = main()
"""


class Bare(Tool):
    name = "plain Python"
    environment = "bare"
    caches = False

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        projects.write(project, writer, lambda _step: "")
        flow = FLOW.format(imports=projects.imports(project), calls=projects.calls(project), result=project.result)
        writer.write("flow.py", HEAD + flow + REPORT)
        return writer

    def command(self, report: bool) -> Sequence[str]:
        return ["python", "flow.py", *(["--report"] if report else [])]
