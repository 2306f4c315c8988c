"""ZenML with its local stack: a store in SQLite, every step cached by its own source and inputs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tool import HEAD, REPORT, Place, Tool

import project as projects
from project import Project, Step, Writer

POLICY = '''from __future__ import annotations

import os

from zenml.config import CachePolicy


def environment() -> str:
    """What a step depends on besides files."""
    return repr(os.environ.get("RATE"))


def listed(files: list[str], env: list[str]) -> CachePolicy:
    update = {"file_dependencies": files, "cache_func": environment if env else None}
    return CachePolicy(**{**CachePolicy.default().model_dump(), **update})
'''
FLOW = """from zenml import pipeline

{imports}
params = json.loads(Path("params.json").read_text())


@pipeline(enable_cache=True)
def main() -> None:
{calls}

run = main()
answer = run.steps["{result}"].output.load() if "--report" in sys.argv else None
"""


class ZenML(Tool):
    environment = "zenml"

    def __init__(self, listed: bool) -> None:
        self.name = "ZenML, files listed" if listed else "ZenML"
        self.listed = listed

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        used = "from policy import listed\nfrom zenml import step\n" if self.listed else "from zenml import step\n"
        projects.write(project, writer, self.decorate, used)
        if self.listed:
            writer.write("policy.py", POLICY)
        flow = FLOW.format(imports=projects.imports(project), calls=projects.calls(project), result=project.result)
        writer.write("flow.py", HEAD + flow + REPORT)
        self.initialise(place)
        return writer

    def decorate(self, step: Step) -> str:
        return f"@step(cache_policy=listed({list(step.listed)}, {list(step.env)}))\n" if self.listed else "@step\n"

    def initialise(self, place: Place) -> None:
        """`zenml init`. Its database of 10 s is made once and copied: it belongs to a machine, not to a project."""
        template = place.cache / "zenml.home"
        if not template.exists():
            made = Place(folder=template / "init", home=template, log=place.log, cache=place.cache)
            made.folder.mkdir(parents=True)
            self.prepare(["zenml", "init"], made)
            self.prepare(["zenml", "stack", "list"], made)
            shutil.rmtree(made.folder)
        shutil.copytree(template, place.home, dirs_exist_ok=True)
        config = place.home / "zenml/config.yaml"  # it names its database by an absolute path
        config.write_text(config.read_text().replace(str(template), str(place.home)))
        self.prepare(["zenml", "init"], place)

    def command(self, report: bool) -> Sequence[str]:
        return ["python", "flow.py", *(["--report"] if report else [])]

    def settings(self, place: Place) -> Mapping[str, str]:
        return {"ZENML_CONFIG_PATH": str(place.home / "zenml"), "ZENML_LOGGING_VERBOSITY": "ERROR"}

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.home / "zenml"], []
