from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detent.store.clock import VirtualClock, iso, parse


def test_two_processes_share_one_virtual_time(tmp_path: Path) -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    mover, watcher = VirtualClock(tmp_path / "clock", start=start), VirtualClock(tmp_path / "clock")
    mover.set(start + timedelta(hours=5, microseconds=7))
    assert watcher.now() == start + timedelta(hours=5, microseconds=7)
    with pytest.raises(ValueError, match="back"):
        mover.set(start)


def test_times_are_text_that_sorts_and_comes_back() -> None:
    moment = datetime(2013, 1, 1, 5, tzinfo=UTC)
    assert parse(iso(moment)) == moment
    assert iso(moment) < iso(moment + timedelta(microseconds=1))
    with pytest.raises(ValueError, match="zone"):
        iso(datetime(2013, 1, 1))
