from __future__ import annotations

import pytest
from click.testing import CliRunner

from detent.cli.drill import command
from detent.errors import RefusedError
from detent.loop.champion import CHAMPION, champion_version
from detent.loop.releases.drill import drill_rollback
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.train import submit
from detent.loop.workspace import Workspace
from detent.registry import aliases
from detent.serving import places
from detent.store import ledger


def test_a_rollback_under_load_fails_nobody_and_is_quick(served: Workspace) -> None:
    with pytest.raises(RefusedError, match="nothing to go back to"):
        drill_rollback(served)
    champion = champion_version(served)
    assert champion is not None
    candidate = spoiled(served, champion, "raising")
    _, version = submit(served, candidate, ingest_all(served, served.now()))
    assert version is not None
    with served.db.transaction() as tx:
        aliases.set_alias(
            tx, model=served.model, alias=CHAMPION, number=version.number, actor="t", reason="t", now=served.now()
        )
    page = places.route_page(served.state)
    before = page.read_bytes() if page.exists() else b""
    done = drill_rollback(served, requests=400, workers=2)
    assert (done.left, done.back_to, done.processes) == (version.number, 1, 2)
    assert (done.requests, done.failed) == (400, 0)
    assert done.first > 0
    assert done.last < 1.0
    assert (page.read_bytes() if page.exists() else b"") == before  # production's routes
    event = next(ledger.read(served.db, kind="drill.rollback"))
    assert event.payload == {"left": version.number, "back_to": 1, "requests": 400, "failed": 0}
    said = CliRunner().invoke(command, ["rollback", "--requests", "100"], obj=served.state.parent)
    assert said.exit_code == 0, said.output
    assert "0 of 100 requests failed" in said.output
