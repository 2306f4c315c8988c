"""Lines of the gate section that ask for evidence of their own, from detent.yaml to the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.loop.judging.judge import judge_candidate
from detent.loop.train import Outcome, train
from detent.loop.workspace import Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor

from .conftest import REQUEST

OWN = '''\
def profit(y, score, rows):
    """Money that is saved by asking the likeliest fifth of the orders."""
    asked = score >= sorted(score)[len(score) * 4 // 5]
    return float((rows["price"].to_numpy() * asked * (y - 0.1)).sum())


def calm(score, champion, rows):
    return bool(abs(score - champion).max() < 1), f"{rows.height} rows"
'''
LINES = {
    "metric(own.py:profit) >= 0 by estimate": "threshold",
    "check(own.py:calm)": "custom",
    "robustness(roc_auc, shuffled=any) <= 0.5": "robustness",
    "robustness(brier, stale=price) <= 0.5": "robustness",
    "monotone(price, up) <= 99%": "monotone",
    "invariant(channel, within=1) <= 2%": "invariant",
    "latency_p95 <= champion * 3": "latency",
    "size <= champion * 3": "size",
    "memory <= 2GB": "memory",
    "memory <= champion * 3": "memory",
    "cost <= 1": "cost",
    "cost <= champion * 5": "cost",
    "overlap(near) <= 1%": "touch",
    "overlap(by=customer) <= 99.9%": "touch",
    "overlap(known_later) <= 99%": "touch",
    "permuted(roc_auc) <= 0.75": "permuted",
}
MEASURED = ("latency", "memory", "cost")


def _asking(ws: Workspace, lines: list[str]) -> Workspace:
    ws.db.close()
    asked = "".join(f"  - {line}\n" for line in lines)
    text = (ws.folder / "detent.yaml").read_text()
    (ws.folder / "own.py").write_text(OWN)
    (ws.folder / "detent.yaml").write_text(text.replace("  - size <= 50MB\n", f"  - size <= 50MB\n{asked}"))
    return open_workspace(ws.folder, actor="test")


def _judged(ws: Workspace, executor: LocalExecutor) -> Outcome:
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.verdict is not None
    return outcome


def test_every_line_is_collected_and_judged(served: Workspace, executor: LocalExecutor) -> None:
    ws = _asking(served, list(LINES))
    outcome = _judged(ws, executor)
    assert outcome.verdict is not None
    results = {result.check: result for result in outcome.verdict.results}
    assert {line: results[line].reason for line in LINES if results[line].decision != "pass"} == {}
    assert {line for line in LINES if results[line].measured} == {line for line in LINES if LINES[line] in MEASURED}
    assert not any(result.stamp for result in outcome.verdict.results)


def test_a_line_that_a_candidate_breaks_keeps_it_out_and_says_the_same_again(
    served: Workspace, executor: LocalExecutor
) -> None:
    ws = _asking(served, ["overlap(by=customer) <= 1%", *(line for line in LINES if LINES[line] not in MEASURED)])
    outcome = _judged(ws, executor)
    assert outcome.verdict is not None
    assert (outcome.verdict.decision, outcome.version) == ("reject", None)
    assert "of a `customer` that was trained on" in outcome.verdict.reason
    assert outcome.candidate is not None
    assert outcome.datasets is not None
    assert judge_candidate(ws, outcome.candidate, outcome.datasets).id == outcome.verdict.id


def test_a_function_that_is_edited_is_asked_again(served: Workspace, executor: LocalExecutor) -> None:
    ws = _asking(served, ["check(own.py:calm)"])
    assert _judged(ws, executor).judged_in is None
    assert _judged(ws, executor).judged_in is not None
    (ws.folder / "own.py").write_text("def calm():\n    raise RuntimeError('edited')\n")
    ws.db.close()
    again = _judged(open_workspace(ws.folder, actor="test"), executor)
    assert again.verdict is not None
    assert again.judged_in is None
    assert "own.py:2: RuntimeError: edited" in again.verdict.reason


def test_a_file_that_can_not_be_imported_names_its_line(project: Path, executor: LocalExecutor) -> None:
    (project / "own.py").write_text("import nothing_of_this_name\n\n\ndef calm():\n    return True\n")
    text = (project / "detent.yaml").read_text()
    (project / "detent.yaml").write_text(text.replace("  - size <= 50MB\n", "  - check(own.py:calm)\n"))
    ws = open_workspace(project, actor="test")
    with pytest.raises(ProjectError, match=r"own.py can't be imported") as caught:
        train(ws, REQUEST, executor=executor)
    assert caught.value.where is not None
    assert caught.value.where.line == 1
