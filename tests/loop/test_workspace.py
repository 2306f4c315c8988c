from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from detent.bundle.keys import load_or_create
from detent.errors import StoreError, TamperedError
from detent.loop.workspace import Workspace, open_workspace
from detent.store import ledger


def test_a_new_state_begins_with_the_key_it_was_made_with(project: Path) -> None:
    ws = open_workspace(project, actor="test")
    open_workspace(project, actor="test")
    (event,) = ledger.read(ws.db)
    assert (event.seq, event.kind, event.subject, event.payload) == (1, "state.created", "project:shop", {})
    assert event.observed == {"public_key": ws.public_key.hex()}


def test_a_state_with_a_history_never_gets_a_new_key(served: Workspace) -> None:
    shutil.rmtree(served.state / "keys")
    with pytest.raises(TamperedError, match="key of this state is gone") as caught:
        open_workspace(served.folder)
    assert "backup" in caught.value.fix
    assert not (served.state / "keys").exists()


def test_another_key_is_noticed(served: Workspace, tmp_path: Path) -> None:
    load_or_create(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "signing.key", served.state / "keys" / "signing.key")
    with pytest.raises(TamperedError, match="not the one that this state was begun with"):
        open_workspace(served.folder)


def forget_the_first_event(ws: Workspace) -> None:
    """Leave a ledger as it was made before it said with which key it began."""
    with sqlite3.connect(ws.db.path) as db:
        db.execute("DELETE FROM ledger WHERE kind = 'state.created'")
    db.close()


def test_a_state_that_never_named_its_key_is_accepted_with_a_key_and_refused_without(served: Workspace) -> None:
    forget_the_first_event(served)
    before = ledger.count_by_kind(served.db)
    assert ledger.count_by_kind(open_workspace(served.folder).db) == before
    (served.state / "keys" / "signing.key").unlink()
    with pytest.raises(TamperedError, match="is gone"):
        open_workspace(served.folder)


def test_an_emptied_ledger_does_not_begin_anew(served: Workspace) -> None:
    with sqlite3.connect(served.db.path) as db:
        db.execute("DELETE FROM ledger")
    db.close()
    with pytest.raises(TamperedError, match="emptied"):
        open_workspace(served.folder)


@pytest.mark.parametrize("observed", ["no json", "5", json.dumps({"public_key": "00"})])
def test_a_first_event_that_was_edited_stops_the_project(served: Workspace, observed: str) -> None:
    with sqlite3.connect(served.db.path) as db:
        db.execute("UPDATE ledger SET observed = ? WHERE kind = 'state.created'", (observed,))
    db.close()
    with pytest.raises(TamperedError, match="not the one"):
        open_workspace(served.folder)


def test_a_folder_that_can_not_hold_a_state_is_a_clear_error(project: Path) -> None:
    (project / ".detent").write_text("in the way")
    with pytest.raises(StoreError, match=r"\.detent can't be written"):
        open_workspace(project)
