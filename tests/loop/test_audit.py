from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from detent.cli.overview import overview
from detent.errors import TamperedError
from detent.loop.audit import audit
from detent.loop.servers.keep_up import keep_up
from detent.loop.workspace import Workspace
from detent.store import ledger

from .test_release import second_version

AT = "2099-01-01T00:00:00.000000+00:00"


def by_hand(ws: Workspace, statement: str) -> None:
    """Change the database as somebody with an editor would, past every rule."""
    with sqlite3.connect(ws.db.path) as db:
        db.execute(statement)
    db.close()


def test_a_state_that_nobody_touched_is_intact(served: Workspace) -> None:
    second_version(served)
    assert audit(served).faults == ()
    assert audit(served).events == ledger.verify(served.db).events


FORGED = {
    "UPDATE versions SET digest = substr(digest, 2) || substr(digest, 1, 1)": "version shop/1 was edited: its digest",
    "UPDATE versions SET verdict = 'other'": "version shop/1 was edited: its verdict",
    "UPDATE versions SET run = 'run-0007'": "version shop/1 was edited: its run",
    "UPDATE versions SET origin = 'sabotage:nan'": "version shop/1 was edited: its origin",
    f"UPDATE versions SET registered_at = '{AT}'": "version shop/1 was edited: its registered_at",
    "UPDATE versions SET number = 5": "version shop/1 was registered (event 9) and its row is gone",
    f"INSERT INTO versions SELECT model, 2, 'd', verdict, run, origin, '{AT}' FROM versions":
        "version shop/2 was made by hand",
    f"INSERT INTO alias_changes VALUES ('shop', 99, 'champion', 1, '{AT}', 'forger', '')":
        "alias `champion` to version 1 (2099-01-01T00:00:00, forger) is not in the ledger",
    "DELETE FROM alias_changes": "moved shop's alias `champion` to version 1, and its row is gone",
    "UPDATE alias_changes SET alias = 'canary'": "alias `canary` to version 1",
    f"UPDATE alias_changes SET at = '{AT}'": "alias `champion` to version 1 was edited: at",
    "UPDATE alias_changes SET actor = 'forger'": "was edited: actor",
    "UPDATE alias_changes SET reason = 'because'": "was edited: reason",
    "DELETE FROM verdicts": "is not stored",
    "UPDATE verdicts SET verdict = 'x'": "can't be read",
    "UPDATE verdicts SET verdict = json_set(verdict, '$.reason', 'because')": "is not sealed by this state's key",
}  # fmt: skip


@pytest.mark.parametrize("statement", FORGED)
def test_a_row_that_was_changed_by_hand_is_named(served: Workspace, statement: str) -> None:
    by_hand(served, statement)
    faults = audit(served).faults
    assert any(FORGED[statement] in fault for fault in faults), faults
    assert ledger.verify(served.db).intact  # the chain alone would not have seen it


def test_a_genuine_verdict_about_another_bundle_lets_nothing_in(served: Workspace) -> None:
    second_version(served)
    by_hand(served, "UPDATE versions SET verdict = (SELECT verdict FROM versions WHERE number = 1)")
    assert any("version shop/2 has no right to be there" in fault for fault in audit(served).faults)


def test_two_alias_rows_that_changed_places_are_found(served: Workspace) -> None:
    from detent.registry import aliases

    for alias in ("one", "two"):
        with served.db.transaction() as tx:
            aliases.set_alias(
                tx, model="shop", alias=alias, number=1, actor="test", reason="test", now=served.now()
            )  # fmt: skip
    assert audit(served).intact
    by_hand(served, "UPDATE alias_changes SET seq = -seq")
    assert len(audit(served).faults) >= 2


def broken_chain(ws: Workspace) -> None:
    by_hand(ws, "UPDATE ledger SET actor = 'somebody else' WHERE seq = 3")


def forged_row(ws: Workspace) -> None:
    by_hand(ws, "UPDATE versions SET run = 'run-0007'")


@pytest.mark.parametrize("forge", [broken_chain, forged_row])
def test_an_edited_state_is_not_served_and_nothing_is_written(
    served: Workspace, forge: Callable[[Workspace], None]
) -> None:
    forge(served)
    before = ledger.verify(served.db).head
    files = {path: path.stat().st_mtime_ns for path in (served.state / "serving").rglob("*")}
    with pytest.raises(TamperedError) as caught:
        keep_up(served)
    assert audit(served).faults[0] in caught.value.what
    assert ledger.verify(served.db).head == before
    assert {path: path.stat().st_mtime_ns for path in (served.state / "serving").rglob("*")} == files


def shown(ws: Workspace) -> str:
    from rich.console import Console

    console = Console(width=400)
    with console.capture() as capture:
        console.print(overview(ws))
    return capture.get()


def test_status_says_what_is_broken(served: Workspace) -> None:
    assert "intact" in shown(served)
    forged_row(served)
    assert "BROKEN: the row of version shop/1 was edited: its run" in shown(served)


@pytest.mark.parametrize("payload", ["5", "{}", "no json", '{"alias": [], "number": {}}'])
def test_an_audit_reads_an_event_of_any_shape(served: Workspace, payload: str) -> None:
    by_hand(served, f"UPDATE ledger SET payload = '{payload}' WHERE kind IN ('version.registered', 'alias.changed')")
    assert any("was edited" in fault for fault in audit(served).faults)
