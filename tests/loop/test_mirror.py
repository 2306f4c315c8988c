from __future__ import annotations

from pathlib import Path

from detent.loop.releases.release import release
from detent.loop.runs.mirror import mend, tracker
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.train import train
from detent.loop.workspace import open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.store import ledger

from .conftest import REQUEST


def test_a_copy_that_can_not_be_written_fails_no_run_and_is_mended_later(
    project: Path, executor: LocalExecutor
) -> None:
    ws = open_workspace(project, actor="test")
    copies = ws.state / "mlartifacts"
    copies.write_text("in the way")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.version is not None
    release(ws, NeighbourGateway(ws), outcome.version.number, reason="test")
    failed = list(ledger.read(ws.db, kind="mirror.failed"))
    assert [event.subject for event in failed] == [f"run:{outcome.run.id}", "version:shop/1"]
    assert all(event.payload == {} and event.observed["why"] for event in failed)
    assert list(ledger.read(ws.db, kind="run.tracked")) == []

    mend(ws)  # still in the way: that is said and nothing else
    assert ledger.count_by_kind(ws.db)["mirror.failed"] == 3
    copies.unlink()
    mend(ws)
    mend(ws)
    assert [event.subject for event in ledger.read(ws.db, kind="run.tracked")] == [f"run:{outcome.run.id}"]
    assert tracker(ws.state).client.has_version("shop", 1)
    assert tracker(ws.state).client.aliases("shop") == {"champion": 1}
    assert ledger.count_by_kind(ws.db)["mirror.failed"] == 3
