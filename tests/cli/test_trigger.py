from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from detent.cli.main import cli
from detent.cli.scaffold import scaffold
from detent.loop.triggers.act import ask
from detent.loop.workspace import Workspace, open_workspace
from detent.trigger.signals import Heard, Signals

FELL = Heard(kind="quality", severity="CRITICAL", thing="quality:roc_auc", message="roc_auc is below its floor.")


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    folder = scaffold(tmp_path / "shop", name="shop", template="tabular")
    text = (folder / "detent.yaml").read_text()
    head, _, rest = text.partition("\ntrigger:")
    tail = "\n".join(line for line in rest.splitlines()[1:] if line and not line.startswith((" ", "#"))) if rest else ""
    (folder / "detent.yaml").write_text(f"{head}\ntrigger: {{quality: critical, webhooks: [refresh]}}\n{tail}\n")
    return open_workspace(folder, actor="test")


def said(ws: Workspace, *words: str, status: int = 0) -> str:
    done = CliRunner().invoke(cli, ["-C", str(ws.folder), "trigger", *words])
    assert (done.exit_code == 0) == (status == 0), done.output
    return done.output if status == 0 else str(done.exception)


def test_decisions_are_listed_and_explained_and_taken_again(ws: Workspace) -> None:
    assert "no decisions yet" in said(ws, "list")
    ask(ws, Signals(heard=(FELL,)))
    ask(ws, Signals(heard=(FELL,)))
    listed = said(ws, "list").splitlines()
    assert [line.split()[3] for line in listed] == ["retrain", "ignore"]
    text = said(ws, "explain", "1")
    assert "retrain (rule 3 quality fell)" in text
    assert "finding     CRITICAL roc_auc is below its floor." in text
    assert "taken again from what it was told: the same" in text
    assert "a training is running already" in said(ws, "explain")


def test_a_call_from_here_waits_for_the_controller_and_counts_once(ws: Workspace) -> None:
    assert "call refresh-1 is accepted" in said(ws, "fire", "refresh", "--key", "monday")
    assert "call refresh-1 is known" in said(ws, "fire", "refresh", "--key", "monday")
    assert "used for another call" in said(ws, "fire", "refresh", "--key", "monday", "--note", "x", status=1)
    assert "there is no trigger `refesh`" in said(ws, "fire", "refesh", status=1)
    assert "call refresh-1 of cli:" in said(ws, "list")


def test_quarantined_data_are_shown_and_released_by_an_answer(ws: Workspace) -> None:
    ask(ws, Signals(broken=("`price` is empty in all rows",)))
    assert "the data are in quarantine since" in said(ws, "list")
    assert "out of quarantine" in said(ws, "answer", "1", "--yes")
    assert "quarantine since" not in said(ws, "list")
    assert "does not wait for an answer" in said(ws, "answer", "1", "--yes", status=1)
