"""Slices that are no inputs are refused before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.loop.train import train
from detent.loop.workspace import open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.store import ledger

from .conftest import REQUEST


def declare(project: Path, slices: str) -> int:
    """Name slices in detent.yaml; return the line they stand in."""
    lines = [line for line in (project / "detent.yaml").read_text().splitlines() if not line.startswith("monitor:")]
    (project / "detent.yaml").write_text("\n".join([*lines, f"monitor: {{slices: {slices}}}"]) + "\n")
    return len(lines) + 1


@pytest.mark.parametrize(
    ("slices", "name", "words"),
    [("[channel, chanel]", "chanel", "did you mean `channel`"), ("[price]", "price", "texts, booleans or integers")],
)
def test_a_slice_that_is_no_input_with_levels_stops_the_run_before_its_first_step(
    project: Path, executor: LocalExecutor, slices: str, name: str, words: str
) -> None:
    line = declare(project, slices)
    ws = open_workspace(project, actor="test")
    with pytest.raises(ProjectError, match=f"sliced by `{name}`") as refused:
        train(ws, REQUEST, executor=executor)
    assert words in refused.value.fix
    assert refused.value.where is not None
    assert (refused.value.where.file, refused.value.where.line) == ("detent.yaml", line)
    kinds = [event.kind for event in ledger.read(ws.db)]
    assert "run.failed" in kinds
    assert not any(kind.startswith(("step.", "candidate")) for kind in kinds)
