from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from detent.loop.watch import watch, windows_in_turn
from detent.loop.workspace import Workspace, virtual_clock
from detent.store import ledger


def test_years_without_traffic_are_skipped_in_one_step(served: Workspace) -> None:
    clock = virtual_clock(served.state, served.now() + timedelta(days=3650))
    later = replace(served, clock=clock)
    for window in windows_in_turn(later):
        watch(later, window)
    watched = list(ledger.read(later.db, kind="window.watched"))
    assert 1 <= len(watched) <= 3
    assert {event.payload["rows"] for event in watched} == {0}
    assert list(windows_in_turn(later)) == []
