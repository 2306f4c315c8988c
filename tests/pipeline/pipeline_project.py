"""A project folder for tests, whose pipeline is run again and again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from detent.pipeline import InputFrame, LocalExecutor, RunResult, Workspace
from detent.pipeline.codecs.table import dump
from detent.pipeline.graph import build
from detent.pipeline.run import Order, run
from detent.pipeline.schedule import How
from detent.project.code import load_callable
from detent.store.blobs import Blobs

FRAME = pl.DataFrame({"id": [1, 2, 3, 4], "x": [0.5, 1.5, 2.5, -1.0]})


@dataclass
class FixedClock:
    """A clock that stands still."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


@dataclass
class Project:
    """A project folder whose pipeline is run again and again."""

    workspace: Workspace
    executor: LocalExecutor
    said: list[tuple[str, str, str]] = field(default_factory=list)  # what progress reported in the last run
    runs: int = 0

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.workspace.folder / f"{name}.py").write_text(text)

    def run(
        self,
        frames: Mapping[str, pl.DataFrame] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        file: str = "steps_under_test.py",
        name: str = "flow",
        how: How | None = None,
    ) -> RunResult:
        frames = {"rows": FRAME} if frames is None else frames
        forget(self.workspace.folder)
        function = load_callable(f"{file}:{name}", self.workspace.folder)
        graph = build(function, inputs=tuple(frames), params=params or {}, folder=self.workspace.folder)
        self.runs += 1
        self.said.clear()
        return run(
            graph,
            inputs={key: stored(frame, self.workspace.blobs) for key, frame in frames.items()},
            workspace=self.workspace,
            run_id=f"run-{self.runs}",
            executor=self.executor,
            order=Order(how=how or How(), progress=lambda step, state, detail: self.said.append((step, state, detail))),
        )


def stored(frame: pl.DataFrame, blobs: Blobs) -> InputFrame:
    digest = dump(frame, blobs).digest
    return InputFrame(digest=digest, parts=(digest,))


def outcomes(result: RunResult) -> dict[str, str]:
    return {step.label: step.outcome for step in result.run.steps}


def whys(result: RunResult) -> dict[str, str]:
    return {step.label: step.why for step in result.run.steps}


def forget(folder: Path) -> None:
    """Let the next import read the project's files again: a command starts a new process, these tests do not."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder.resolve())):
            del sys.modules[name]
