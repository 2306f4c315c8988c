"""Dagster: an asset for each step, in one process (its command line starts a process for each asset: far slower).

The listed way gives each asset a `code_version` from the listed files and materialises what Dagster calls unsynced: the
same rule as the button in its web page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tool import HEAD, REPORT, Place, Tool

import project as projects
from project import Project, Step, Writer

VERSIONS = '''from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path

from dagster import AssetsDefinition, asset


def versioned(files: list[str], env: list[str]) -> Callable[[Callable], AssetsDefinition]:
    """An asset whose version is its own source, and the files and environment variables that somebody lists."""

    def decorate(function: Callable) -> AssetsDefinition:
        found = hashlib.sha256(repr([os.environ.get(name) for name in env]).encode())
        found.update(inspect.getsource(function).encode())
        for name in files:
            found.update(Path(name).read_bytes())
        return asset(code_version=found.hexdigest())(function)

    return decorate
'''
ALL = """from dagster import asset, materialize

{imports}
params = json.loads(Path("params.json").read_text())
{values}

assets = [{assets}]
done = materialize(assets)
answer = done.output_for_node("{result}") if "--report" in sys.argv else None
"""
UNSYNCED = """from dagster import AssetKey, AssetSelection, DagsterInstance, Definitions, asset, materialize
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

{imports}
params = json.loads(Path("params.json").read_text())
{values}

assets = [{assets}]
instance = DagsterInstance.get()
definitions = Definitions(assets=assets)
graph = definitions.resolve_asset_graph()
resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
keys = [one.key for one in assets]
stale = [key for key in keys if resolver.get_status(key) != StaleStatus.FRESH]
if stale:
    # What lies below is shown as unsynced only after this: without it, users press the button once for each level.
    materialize(assets, selection=AssetSelection.keys(*stale).downstream(), instance=instance)
answer = definitions.load_asset_value(AssetKey("{result}"), instance=instance) if "--report" in sys.argv else None
"""
VALUE = """

@asset(name="{name}"{version})
def value_of_{name}():
    return params["{name}"]
"""


class Dagster(Tool):
    environment = "dagster"

    def __init__(self, listed: bool) -> None:
        self.name = "Dagster, unsynced only" if listed else "Dagster"
        self.listed = listed
        self.caches = listed

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        used = "from versions import versioned\n" if self.listed else "from dagster import asset\n"
        projects.write(project, writer, self.decorate, used)
        if self.listed:
            writer.write("versions.py", VERSIONS)
        version = ', code_version=repr(params["{name}"])' if self.listed else ""
        values = "".join(VALUE.format(name=name, version=version.format(name=name)) for name in project.params)
        assets = [f"{step.module}.{step.name}" for step in project.steps]
        assets += [f"value_of_{name}" for name in project.params]
        flow = (UNSYNCED if self.listed else ALL).format(
            imports=projects.imports(project), values=values, assets=", ".join(assets), result=project.result
        )
        writer.write("flow.py", HEAD + flow + REPORT)
        (place.home / "dagster").mkdir(parents=True)
        return writer

    def decorate(self, step: Step) -> str:
        return f"@versioned({list(step.listed)}, {list(step.env)})\n" if self.listed else "@asset\n"

    def command(self, report: bool) -> Sequence[str]:
        return ["python", "flow.py", *(["--report"] if report else [])]

    def settings(self, place: Place) -> Mapping[str, str]:
        return {"DAGSTER_HOME": str(place.home / "dagster")}

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.home / "dagster/storage"], []
