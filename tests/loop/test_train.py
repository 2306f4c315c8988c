from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from detent.bundle.verify import verify
from detent.errors import DataError, DetentError, ProjectError
from detent.loop.train import log_folder, train
from detent.loop.workspace import open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.registry import versions
from detent.store import ledger

from .conftest import REQUEST, rewrite


def test_a_candidate_becomes_a_version_and_every_arc_is_in_the_ledger(project: Path, executor: LocalExecutor) -> None:
    ws = open_workspace(project, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.version is not None
    assert outcome.verdict is not None
    assert outcome.verdict.decision == "pass"
    assert outcome.candidate is not None
    verify(outcome.candidate.folder, None)
    kinds = [event.kind for event in ledger.read(ws.db)]
    assert kinds == [
        "state.created", "run.started", "data.checked", "data.ingested", "cost.counted", "run.succeeded",
        "candidate.made", "verdict.passed", "version.registered", "run.tracked",
    ]  # fmt: skip
    assert ledger.verify(ws.db).intact


def test_a_second_run_does_no_work_and_gives_the_same_version(project: Path, executor: LocalExecutor) -> None:
    ws = open_workspace(project, actor="test")
    first, second = (train(ws, REQUEST, executor=executor) for _ in range(2))
    assert {step.outcome for step in second.run.steps} == {"hit"}
    assert {step.why for step in second.run.steps} == {"unchanged"}
    assert first.run.steps[0].outputs == second.run.steps[0].outputs
    assert (second.version, second.verdict) == (first.version, first.verdict)
    assert second.judged_in == first.run.id
    assert len(versions.all_versions(ws.db, ws.model)) == 1


def test_another_gate_judges_the_same_candidate_again(project: Path, executor: LocalExecutor) -> None:
    first = train(open_workspace(project, actor="test"), REQUEST, executor=executor)
    text = (project / "detent.yaml").read_text()
    (project / "detent.yaml").write_text(text.replace("roc_auc >= 0.55", "roc_auc >= 0.99"))
    second = train(open_workspace(project, actor="test"), REQUEST, executor=executor)
    assert {step.outcome for step in second.run.steps} == {"hit"}
    assert second.judged_in is None
    assert (first.verdict.decision, second.verdict.decision) == ("pass", "reject")


def test_a_gate_that_fails_stops_registration(project: Path, executor: LocalExecutor) -> None:
    text = (project / "detent.yaml").read_text()
    (project / "detent.yaml").write_text(text.replace("roc_auc >= 0.55", "roc_auc >= 0.99"))
    ws = open_workspace(project, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.version is None
    assert versions.all_versions(ws.db, ws.model) == []
    assert "at least 0.99 is asked" in outcome.verdict.reason
    assert [event.kind for event in ledger.read(ws.db, kind="verdict")] == ["verdict.rejected"]


BROKEN: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], type[DetentError], str]] = {
    "a missing column": (lambda rows: rows.drop("placed_at"), DataError, "placed_at"),
    "a renamed column": (lambda rows: rows.rename({"order_id": "orderid"}), DataError, "did you mean `orderid`"),
    "a time that is no time": (lambda rows: rows.with_columns(returned_known_at=pl.lit("soon")), DataError, "known_at"),
    "no rows": (lambda rows: rows.clear(), DataError, "empty"),
    "a value outside its contract": (
        lambda rows: rows.with_columns(channel=pl.lit("fax")), DataError, "contracts.py:Orders",
    ),
    "a column of another type": (lambda rows: rows.with_columns(pl.col("price").cast(pl.String)), DataError, "price"),
    "a repeated key": (lambda rows: pl.concat([rows, rows.head(1)]), DataError, "more than once"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_broken_data_stops_the_run_with_a_reason_and_is_written_down(
    project: Path, executor: LocalExecutor, what: str
) -> None:
    change, kind, words = BROKEN[what]
    rewrite(project, change)
    ws = open_workspace(project, actor="test")
    with pytest.raises(kind) as caught:
        train(ws, REQUEST, executor=executor)
    assert words in str(caught.value)
    assert caught.value.fix
    failed = list(ledger.read(ws.db, kind="run.failed"))
    assert len(failed) == 1
    assert failed[0].payload["error"] == caught.value.what


def test_labels_that_are_all_equal_fail_in_the_step_that_trains(project: Path, executor: LocalExecutor) -> None:
    rewrite(project, lambda rows: rows.with_columns(returned=pl.lit(1, dtype=pl.Int64)))
    ws = open_workspace(project, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.run.state == "failed"
    failed = next(step for step in outcome.run.steps if step.outcome == "failed")
    assert "equal" in failed.error


def test_a_step_that_raises_ends_the_run_and_names_file_and_line(project: Path, executor: LocalExecutor) -> None:
    code = (project / "pipeline.py").read_text()
    (project / "pipeline.py").write_text(
        code.replace("    return lightgbm(", '    raise KeyError("amout")\n    return lightgbm(')
    )
    ws = open_workspace(project, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.run.state == "failed"
    assert outcome.version is None
    outcomes = {step.step: step.outcome for step in outcome.run.steps}
    assert outcomes == {"labelled": "ran", "split": "ran", "train": "failed"}
    failed = next(step for step in outcome.run.steps if step.step == "train")
    assert "amout" in failed.error
    assert list(log_folder(ws, outcome.run.id).glob("train*"))
    assert [event.kind for event in ledger.read(ws.db, kind="run.failed")] == ["run.failed"]


def test_a_missing_file_names_the_line_of_detent_yaml(project: Path, executor: LocalExecutor) -> None:
    (project / "data" / "orders.parquet").rename(project / "data" / "order.parquet")
    with pytest.raises(DataError) as caught:
        train(open_workspace(project, actor="test"), REQUEST, executor=executor)
    assert caught.value.where is not None
    assert caught.value.where.line == 6


def test_a_metric_that_does_not_exist_is_found_before_anything_runs(project: Path) -> None:
    text = (project / "detent.yaml").read_text()
    (project / "detent.yaml").write_text(text.replace("roc_auc >= 0.55", "roc_acu >= 0.55"))
    with pytest.raises(ProjectError, match="roc_acu") as caught:
        open_workspace(project)
    assert "did you mean `roc_auc`" in caught.value.fix
    assert caught.value.where.line == 11
