"""Kedro: a node for each step, every output a JSON file of the catalog. It has no cache, but can keep what is there."""

# ruff: noqa: ARG002 - not every tool needs all that a case gives it

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tool import Place, Tool

import project as projects
from project import Project, Step, Writer

REGISTRY = """from __future__ import annotations

from kedro.pipeline import Pipeline, node

{imports}

def register_pipelines() -> dict[str, Pipeline]:
    nodes = [
{nodes}    ]
    return {{"__default__": Pipeline(nodes)}}
"""
CATALOG = '"{name}":\n  type: json.JSONDataset\n  filepath: out/{name}.json\n'
SETTINGS = 'CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "base"}\n'
PYPROJECT = (
    '[tool.kedro]\npackage_name = "bench"\nproject_name = "bench"\nkedro_init_version = "1.7.0"\nsource_dir = "."\n'
)


class Kedro(Tool):
    environment = "kedro"

    def __init__(self, missing: bool) -> None:
        self.name = "Kedro --only-missing-outputs" if missing else "Kedro"
        self.missing = missing
        self.caches = missing

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        projects.write(project, writer, lambda _step: "")
        writer.write("pyproject.toml", PYPROJECT)
        writer.write("bench/__init__.py", "")
        writer.write("bench/settings.py", SETTINGS)
        nodes = "".join(map(self.node, project.steps))
        registry = REGISTRY.format(imports=projects.imports(project), nodes=nodes)
        writer.write("bench/pipeline_registry.py", registry)
        writer.write("conf/base/catalog.yml", CATALOG)
        self.set_params(writer, project, project.params)
        return writer

    def node(self, step: Step) -> str:
        taken = [*step.inputs, *(f"params:{name}" for name in step.params)]
        return f'        node({step.module}.{step.name}, {taken or None}, "{step.name}", name="{step.name}"),\n'

    def set_params(self, writer: Writer, project: Project, values: dict[str, object]) -> None:
        writer.write("conf/base/parameters.yml", json.dumps(values))

    def command(self, report: bool) -> Sequence[str]:
        return ["kedro", "run", *(["--only-missing-outputs"] if self.missing else [])]

    def result(self, project: Project, place: Place) -> object:
        return json.loads((place.folder / f"out/{project.result}.json").read_text())

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.folder / "out"], []
