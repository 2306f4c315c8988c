"""Runs in real worker processes: what is a hit, what runs again, and why."""

from __future__ import annotations

import os
import py_compile
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pipeline_project import FRAME, Project, outcomes, whys

from detent.errors import ProjectError, RefusedError, StepError, StoreError
from detent.pipeline import store

STEPS = '''
from typing import NamedTuple

import polars as pl

import helpers_under_test
from detent.pipeline import pipeline, step


class Halves(NamedTuple):
    low: pl.DataFrame
    high: pl.DataFrame


@step
def clean(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out what is small."""
    return helpers_under_test.keep(rows)


@step
def halve(rows: pl.DataFrame, border: float) -> Halves:
    return Halves(low=rows.filter(pl.col("x") <= border), high=rows.filter(pl.col("x") > border))


@step
def count(halves: Halves, low: pl.DataFrame, rate: float) -> dict:
    return {"low": low.height, "high": halves.high.height, "rate": rate}


@pipeline
def flow(rows, border=1.0, rate=0.05):
    parts = halve(clean(rows), border)
    return {"counts": count(parts, parts.low, rate), "low": parts.low}
'''
HELPERS = """
import polars as pl


def keep(rows):
    return rows.filter(pl.col("x") > 0)


def unused():
    return 1
"""


@pytest.fixture
def steps(project: Project) -> Project:
    project.write(steps_under_test=STEPS, helpers_under_test=HELPERS)
    return project


def test_a_first_run_does_every_step_and_a_second_one_none(steps: Project) -> None:
    first = steps.run()
    assert outcomes(first) == {"clean": "ran", "halve": "ran", "count": "ran"}
    assert set(whys(first).values()) == {"first run"}
    assert first.value("counts", dict) == {"low": 1, "high": 2, "rate": 0.05}
    assert first.value("low", pl.DataFrame)["id"].to_list() == [1]
    assert [entry[:2] for entry in steps.said] == [
        (name, state) for name in ("clean", "halve", "count") for state in ("start", "ran")
    ]
    second = steps.run()
    assert outcomes(second) == {"clean": "hit", "halve": "hit", "count": "hit"}
    assert set(whys(second).values()) == {"unchanged"}
    assert second.outputs == first.outputs
    assert (second.code_digest, second.environment_digest) == (first.code_digest, first.environment_digest)
    assert steps.said == [(name, "hit", "unchanged") for name in ("clean", "halve", "count")]
    assert store.load_run(steps.workspace.db, "run-2") == second.run
    assert [run.id for run in store.recent_runs(steps.workspace.db)] == ["run-2", "run-1"]


def test_an_edited_helper_runs_its_step_again_and_equal_results_stop_the_wave(steps: Project) -> None:
    steps.run()
    steps.write(helpers_under_test=HELPERS.replace('pl.col("x") > 0', 'pl.col("x") > 0.1'))
    result = steps.run()
    assert whys(result)["clean"] == "code of helpers_under_test.py:keep changed"
    assert outcomes(result) == {"clean": "ran", "halve": "hit", "count": "hit"}
    steps.write(helpers_under_test=HELPERS.replace('pl.col("x") > 0', 'pl.col("x") > 2'))
    result = steps.run()
    assert outcomes(result) == {"clean": "ran", "halve": "ran", "count": "ran"}
    assert whys(result)["halve"] == "input clean changed"
    assert whys(result)["count"] == "input halve.low, halve.high changed; input halve.low changed"
    assert result.value("counts") == {"low": 0, "high": 1, "rate": 0.05}


def test_comments_docstrings_and_unused_code_change_nothing(steps: Project) -> None:
    steps.run()
    text = STEPS.replace("Leave out what is small.", "Another docstring.").replace("@step\n", "@step  # a comment\n")
    steps.write(
        steps_under_test=text.replace('{"low": low.height,', '{\n        "low": low.height,'),
        helpers_under_test=HELPERS.replace("return 1", "return 2"),
    )
    assert set(outcomes(steps.run()).values()) == {"hit"}


def test_a_changed_param_runs_only_the_steps_that_take_it(steps: Project) -> None:
    steps.run()
    result = steps.run(params={"rate": 0.1})
    assert outcomes(result) == {"clean": "hit", "halve": "hit", "count": "ran"}
    assert whys(result)["count"] == "param rate 0.05 -> 0.1"
    assert set(outcomes(steps.run(params={"rate": 0.05})).values()) == {"hit"}  # back again: still known


@pytest.mark.parametrize("value", [1, True, "1"])
def test_the_type_of_a_param_counts(steps: Project, value: object) -> None:
    steps.run(params={"rate": 1.0})
    result = steps.run(params={"rate": value})
    assert outcomes(result)["count"] == "ran"
    assert result.value("counts")["rate"] == value


def test_nan_is_a_param_like_any_other(steps: Project) -> None:
    assert outcomes(steps.run(params={"border": float("nan")}))["halve"] == "ran"
    assert outcomes(steps.run(params={"border": -float("nan")}))["halve"] == "hit"
    assert outcomes(steps.run(params={"border": 0.0}))["halve"] == "ran"
    assert outcomes(steps.run(params={"border": -0.0}))["halve"] == "ran"


def test_a_param_that_cannot_be_compared_is_refused_before_anything_runs(steps: Project) -> None:
    with pytest.raises(ProjectError, match=r"count\(rate\)"):
        steps.run(params={"rate": np.float64(0.1)})
    assert steps.said == []


def test_changed_data_runs_again_and_the_same_data_from_elsewhere_does_not(steps: Project) -> None:
    steps.run()
    result = steps.run({"rows": FRAME.with_columns(x=pl.Series([0.5, 1.5, 9.0, -1.0]))})
    assert whys(result)["clean"] == "input rows changed"
    same = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    assert set(outcomes(steps.run({"rows": same})).values()) == {"hit"}


def test_another_package_version_runs_again(steps: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps.run()
    installed = tmp_path / "site-packages" / "polars-99.0.dist-info"  # found first, as an upgraded package would be
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: polars\nVersion: 99.0\n")
    (installed / "RECORD").write_text("polars/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    why = whys(steps.run())["clean"]
    assert re.match(r"polars [0-9.]+ -> 99\.0", why)


def test_a_damaged_or_missing_output_is_made_again(steps: Project, tmp_path: Path) -> None:
    first = steps.run()
    blob = steps.workspace.blobs.path(first.run.steps[0].outputs[0][1])
    blob.chmod(0o644)
    damaged = bytearray(blob.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    blob.write_bytes(bytes(damaged))  # the same size, one bit flipped
    second = steps.run()
    assert outcomes(second) == {"clean": "ran", "halve": "hit", "count": "hit"}
    assert whys(second)["clean"] == "cached output is missing or damaged: rebuilt"
    assert set(outcomes(steps.run()).values()) == {"hit"}
    steps.workspace.blobs.delete(first.run.steps[2].outputs[0][1])
    third = steps.run()
    assert whys(third)["count"] == "cached output is missing or damaged: rebuilt"
    assert third.outputs == first.outputs


def test_the_names_of_steps_and_the_pipeline_do_not_matter_to_the_cache(steps: Project) -> None:
    steps.run()
    steps.write(steps_under_test=STEPS.replace("def flow(", "def renamed("))
    assert set(outcomes(steps.run(name="renamed")).values()) == {"hit"}


def test_code_is_read_from_the_files_of_the_moment(steps: Project) -> None:
    """Workers live on between runs; one that has imported the old code must not serve the new one.

    Neither must a `.pyc`, which Python takes for current when size and second of the source are the same.
    """
    helper = steps.workspace.folder / "helpers_under_test.py"
    for low in (0, 1, 2):
        steps.write(helpers_under_test=HELPERS.replace("> 0", f"> {low}"))
        os.utime(helper, (1_000_000_000, 1_000_000_000))
        if low == 0:
            py_compile.compile(str(helper))
        result = steps.run()
        assert result.value("low").height == max(0, 1 - low)


def test_every_kind_of_value_comes_back_as_it_was(project: Project) -> None:
    project.write(
        steps_under_test="""
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from detent.pipeline import pipeline, step


@dataclass(frozen=True)
class Score:
    name: str
    value: float
    levels: tuple[int, ...]


class Blob:
    def __init__(self, text):
        self.text = text

    def save(self, folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "text.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path):
        return cls((folder / "deep" / "text.txt").read_text())


class Everything(NamedTuple):
    frame: pl.DataFrame
    array: np.ndarray
    plain: dict
    nothing: None
    score: Score
    blob: Blob
    number: float

    def name(self):
        return "everything"


@step
def make(rows) -> Everything:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    return Everything(rows, array, {"a": [1, 2.0, "x", None, True]}, None, Score("auc", 0.5, (1, 2)), Blob("hi"),
                      np.float64(0.25))


@step
def describe(everything) -> str:
    return everything.name()


@step
def check(everything: Everything, blob, scores: list) -> dict:
    assert isinstance(everything, Everything) and isinstance(blob, Blob) and isinstance(scores[0], Score)
    assert everything.array.dtype == np.float64 and everything.array[1, 2] == 5
    return {"text": blob.text + everything.blob.text, "levels": list(scores[0].levels), "number": everything.number,
            "plain": everything.plain, "nothing": everything.nothing, "rows": everything.frame.height}


@pipeline
def flow(rows):
    everything = make(rows)
    checked = check(everything, everything.blob, [everything.score])
    return {"checked": checked, "blob": everything.blob, "name": describe(everything)}
"""
    )
    first = project.run()
    assert first.run.state == "succeeded", first.errors
    assert first.value("checked") == {
        "text": "hihi", "levels": [1, 2], "number": 0.25, "plain": {"a": [1, 2.0, "x", None, True]},
        "nothing": None, "rows": 4,
    }  # fmt: skip
    assert first.value("blob").text == "hi"
    assert set(outcomes(project.run()).values()) == {"hit"}
    source = (project.workspace.folder / "steps_under_test.py").read_text()
    project.write(steps_under_test=source.replace(".read_text())", ".read_text().upper())"))
    result = project.run()  # `check` names no Blob, but it runs Blob.load
    assert "code of steps_under_test.py:Blob changed" in whys(result)["check"]
    assert result.value("checked")["text"] == "HIHI"
    assert outcomes(result)["describe"] == "ran"  # it is handed all fields, the changed Blob among them
    source = (project.workspace.folder / "steps_under_test.py").read_text()
    project.write(steps_under_test=source.replace('return "everything"', 'return "all"'))
    result = project.run()  # `describe` names no Everything, but it is handed one
    assert "code of steps_under_test.py:Everything changed" in whys(result)["describe"]
    assert result.value("name") == "all"


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        ("rows.lazy()", "call .collect() first"),
        ("rows['x']", "series.to_frame()"),
        ("{'a': {'b': object()}}", "holds a object at `['a']['b']`, which can't be stored"),
        ("rows.to_numpy().astype(object)", "Python objects would be lost"),
        ("rows.select(pl.col('x').map_elements(lambda x: object(), return_dtype=pl.Object))", "Parquet"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused(project: Project, returned: str, text: str) -> None:
    project.write(
        steps_under_test="import polars as pl\nfrom detent.pipeline import pipeline, step\n"
        f"@step\ndef make(rows):\n    return {returned}\n@pipeline\ndef flow(rows):\n    return make(rows)\n"
    )
    result = project.run()
    assert result.run.state == "failed"
    assert text in str(result.errors[0])


FAILING = """
import time
from detent.pipeline import pipeline, step


@step
def good(rows) -> int:
    print("good morning")
    return 1


@step
def bad(rows) -> int:
    print("before the error")
    return helper(rows)


def helper(rows):
    raise ValueError("the rows are wrong")


@step
def after(number: int) -> int:
    return number + 1


@pipeline
def flow(rows):
    return {"fine": after(good(rows)), "broken": after(after(bad(rows)))}
"""


def test_a_failing_step_names_its_line_and_leaves_independent_branches_running(project: Project) -> None:
    project.write(steps_under_test=FAILING)
    result = project.run()
    assert result.run.state == "failed"
    assert outcomes(result) == {
        "good": "ran", "after": "ran", "bad": "failed", "after-2": "skipped", "after-3": "skipped",
    }  # fmt: skip
    assert whys(result)["after-2"] == "`bad` failed"
    assert whys(result)["after-3"] == "`after-2` was skipped"
    error = result.errors[0]
    assert error.why == "ValueError: the rows are wrong"
    assert error.where is not None
    assert Path(error.where.file).name == "steps_under_test.py"
    assert FAILING.splitlines()[(error.where.line or 0) - 1].strip() == 'raise ValueError("the rows are wrong")'
    bad = next(step for step in result.run.steps if step.step == "bad")
    assert (bad.attempts, bad.outputs) == (1, ())  # an error in the step's own code is not tried again
    assert "ValueError: the rows are wrong" in bad.error
    log = project.workspace.state / bad.log
    assert str(log) in error.fix
    assert log.read_text().startswith("before the error\nTraceback")
    good = next(step for step in result.run.steps if step.step == "good")
    assert (project.workspace.state / good.log).read_text() == "good morning\n"
    with pytest.raises(StepError):
        result.value("fine")
    assert store.load_run(project.workspace.db, "run-1") == result.run
    project.write(steps_under_test=FAILING.replace("raise ValueError", "return 1  # "))
    again = project.run()
    assert outcomes(again)["good"] == "hit"
    assert again.value("broken") == 3


def test_an_error_of_ours_keeps_its_advice(project: Project) -> None:
    project.write(
        steps_under_test="""
from detent.data import split_by_time
from detent.pipeline import pipeline, step

@step
def split(rows) -> int:
    return split_by_time(rows, time="xx", evaluate_days=1)

@pipeline
def flow(rows):
    return split(rows)
"""
    )
    error = project.run().errors[0]
    assert "there is no column `xx`" in error.what
    assert error.fix.startswith("did you mean `x`?")
    assert str(error.where).endswith("steps_under_test.py:7")


EDITED = """
from pathlib import Path
from detent.pipeline import pipeline, step

@step(files=["outside.txt"])
def slow(rows) -> int:
    Path({begun!r}).touch()
    while not Path({go!r}).exists():
        pass
    return 1

@pipeline
def flow(rows):
    return slow(rows)
"""


def test_a_file_edited_while_a_step_runs_makes_its_result_worthless(project: Project, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    source = EDITED.format(begun=str(begun), go=str(go))
    project.write(steps_under_test=source)

    def edit() -> None:
        wait_for(begun.exists)
        project.write(steps_under_test=source.replace("return 1", "return 2"))
        go.touch()

    editor = threading.Thread(target=edit)
    editor.start()
    result = project.run()
    editor.join()
    assert "steps_under_test.py was edited while step `slow` ran" in str(result.errors[0])
    assert project.run().value("result") == 2


def test_a_file_edited_between_planning_and_running_is_noticed(project: Project, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    source = EDITED.format(begun=str(begun), go=str(go))
    project.write(steps_under_test=source)

    def edit(step: str, state: str, detail: str) -> None:
        project.write(steps_under_test=source.replace("return 1", "return 2"))
        go.touch()

    project.said = Callback(edit)  # type: ignore[assignment]
    result = project.run()
    assert "changed after the run was planned" in str(result.errors[0])
    assert not begun.exists()
    project.said = []
    assert project.run().value("result") == 2


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


class Callback(list[Any]):
    """A list that does something when the first progress report arrives."""

    def __init__(self, action: Any) -> None:
        super().__init__()
        self.action = action

    def append(self, item: Any) -> None:
        if not self:
            self.action(*item)
        super().append(item)


def test_wrong_calls_are_refused(steps: Project) -> None:
    steps.run()
    steps.runs = 0
    with pytest.raises(RefusedError, match="run-1 exists already"):
        steps.run()
    result = steps.run()
    with pytest.raises(ProjectError, match="returns no `model`"):
        result.value("model")
    with pytest.raises(ProjectError, match="is a dict"):
        result.value("counts", pl.DataFrame)


def test_a_run_that_was_killed_is_no_longer_called_running(steps: Project) -> None:
    with steps.workspace.db.transaction() as tx:
        tx.execute(
            "INSERT INTO runs (id, seq, pipeline, state, started_at, request) VALUES "
            "('dead', 7, 'flow', 'running', '2013-01-01', '')"
        )
    steps.run()
    dead = store.load_run(steps.workspace.db, "dead")
    assert dead is not None
    assert dead.state == "failed"


def test_a_run_that_breaks_off_is_stored_as_failed(steps: Project) -> None:
    def stop(step: str, state: str, detail: str) -> None:
        raise KeyboardInterrupt

    steps.said = Callback(stop)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        steps.run()
    broken = store.load_run(steps.workspace.db, "run-1")
    assert broken is not None
    assert broken.state == "failed"
    steps.said = []
    assert steps.run().run.state == "succeeded"


def test_input_frames_may_come_in_several_parts(steps: Project) -> None:
    from detent.pipeline import InputFrame
    from detent.pipeline.codecs.table import dump
    from detent.pipeline.graph import build
    from detent.pipeline.run import run
    from detent.project.code import load_callable

    blobs = steps.workspace.blobs
    parts = tuple(dump(part, blobs).digest for part in (FRAME[:2], FRAME[2:]))
    result = run(
        build(load_callable("steps_under_test.py:flow", steps.workspace.folder), inputs=["rows"], params={}),
        inputs={"rows": InputFrame(digest="snapshot", parts=parts)},
        workspace=steps.workspace,
        run_id="parts",
        executor=steps.executor,
    )
    assert result.value("counts") == {"low": 1, "high": 2, "rate": 0.05}


def test_missing_input_data_is_an_error_of_the_step_that_needs_it(steps: Project) -> None:
    from detent.pipeline.codecs.table import dump

    digest = dump(FRAME, steps.workspace.blobs).digest
    original = steps.workspace.blobs.get(digest)
    said = steps.said

    def vanish(step: str, state: str, detail: str) -> None:
        steps.workspace.blobs.delete(digest)

    steps.said = Callback(vanish)  # type: ignore[assignment]
    result = steps.run()
    assert f"blob {digest[:12]} is missing" in str(result.errors[0])
    steps.said = said
    steps.workspace.blobs.put(original)
    assert steps.run().run.state == "succeeded"
    with pytest.raises(StoreError):
        steps.workspace.blobs.get("0" * 64)
