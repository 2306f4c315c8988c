"""What a step took on the cores, as its row says."""

from __future__ import annotations

import pytest
from pipeline_project import Project, outcomes

from detent.pipeline import store

STEPS = """
import subprocess
import sys
import time

from detent.pipeline import pipeline, step

BURN = "import time\\nwhile time.process_time() < {0}: pass"


@step
def burn(rows, seconds: float) -> float:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return seconds


@step
def child(rows, seconds: float) -> float:
    subprocess.run([sys.executable, "-S", "-c", BURN.format(seconds)], check=True)
    return seconds


@step
def idle(rows) -> int:
    time.sleep(0.3)
    return 1


@pipeline
def flow(rows, seconds=0.6):
    return {"burn": burn(rows, seconds), "child": child(rows, seconds), "idle": idle(rows)}
"""


def test_the_seconds_of_a_step_and_of_its_children_are_counted_and_waiting_is_not(project: Project) -> None:
    project.write(steps_under_test=STEPS)
    project.run(params={"seconds": 0.05})  # libraries are loaded now, and that was counted there
    result = project.run()
    kept = store.load_run(project.workspace.db, result.run.id)
    assert kept is not None
    for rows in (result.run.steps, kept.steps):
        took = {row.step: row.cpu_seconds for row in rows}
        assert took["burn"] == pytest.approx(0.6, rel=0.1)
        assert 0.6 <= took["child"] <= 0.66 + 0.1  # a process takes some time to begin
    assert sum(row.cpu_seconds for row in kept.steps if row.step == "idle") < 0.1
    again = project.run()
    assert set(outcomes(again).values()) == {"hit"}
    assert {row.cpu_seconds for row in again.run.steps} == {0.0}  # what was stored before costs nothing again
