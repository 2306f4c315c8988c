"""Workers are forked from a process that has loaded what their code uses, and no more than that has to be loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detent.pipeline.artifacts import PARQUET, Artifact
from detent.pipeline.fingerprint.code import CodeReader
from detent.pipeline.graph import build
from detent.pipeline.packages import heavy_packages
from detent.project.code import load_callable
from detent.project.sources import SourceLoader

COMMAND = """
import sys
from multiprocessing import get_context
from detent.pipeline.executors.parents import forked_from, modules_of
from worker_modules import loaded

def ask(packages):
    ours, theirs = get_context("forkserver").Pipe()
    process = get_context("forkserver").Process(target=loaded, args=(theirs,))
    with forked_from(modules_of(packages)):
        process.start()
    print(ours.recv())
    process.join()

ask(())
ask(("numpy",))
ask(())
ask(None)
ask(("numpy", "polars"))
"""
TARGET = """
import os, sys

def loaded(line):
    heavy = [name for name in ("numpy", "polars", "pyarrow") if name in sys.modules]
    line.send((heavy, len(os.listdir("/proc/self/task"))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_a_worker_comes_from_a_parent_that_has_loaded_what_it_uses_and_has_no_threads_of_it(tmp_path: Path) -> None:
    (tmp_path / "worker_modules.py").write_text(TARGET)
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )  # fmt: skip
    assert ended.stdout.splitlines() == [
        "([], 1)",
        "(['numpy'], 1)",
        "([], 1)",
        "(['numpy', 'polars', 'pyarrow'], 1)",
        "(['numpy', 'polars', 'pyarrow'], 1)",
    ], ended.stderr


STEPS = """
{imports}
from detent.pipeline import pipeline, step

@step
def one() -> int:
    return {returned}

@pipeline
def flow():
    return {{"one": one()}}
"""
TABLE = Artifact(digest="0" * 64, kind=PARQUET)


def packages(folder: Path, name: str, imports: str, returned: str = "1", *given: Artifact) -> tuple[str, ...] | None:
    (folder / f"{name}.py").write_text(STEPS.format(imports=imports, returned=returned))
    graph = build(load_callable(f"{name}.py:flow", folder), inputs=(), params={})
    code = CodeReader(folder).code_of([(node.module, node.attribute) for node in graph.nodes])
    return heavy_packages(graph, code, given)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the project files that earlier tests have loaded in this process, nothing is known."""
    for name, module in list(sys.modules.items()):
        if isinstance(getattr(getattr(module, "__spec__", None), "loader", None), SourceLoader):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("alone")
def test_what_the_files_of_a_project_import_is_loaded_by_its_workers_whether_used_or_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path.resolve()
    request.addfinalizer(lambda: [sys.modules.pop(f"flow{letter}_packages", None) for letter in "abcde"])
    assert packages(folder, "flowa_packages", "import json") == ()
    assert packages(folder, "flowa_packages", "import json", "1", TABLE) == ("polars",)
    assert packages(folder, "flowb_packages", "from flowa_packages import step as other") == ()
    assert packages(folder, "flowc_packages", "import numpy as np") == ("numpy",)
    assert packages(folder, "flowd_packages", "import polars", "polars.Series([1]).sum()") == ("numpy", "polars")


def test_of_code_that_was_not_imported_here_nobody_knows_what_it_loads(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    packages(folder, "flowe_packages", "import json")
    graph = build(load_callable("flowe_packages.py:flow", folder), inputs=(), params={})
    code = CodeReader(folder).code_of([(node.module, node.attribute) for node in graph.nodes])
    del sys.modules["flowe_packages"]
    assert heavy_packages(graph, code, ()) is None
