"""The pytest plug-in: fixtures for users' tests. Imports nothing heavy, because pytest loads it for everybody."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from detent.store.clock import VirtualClock


@pytest.fixture
def virtual_clock(tmp_path: Path) -> VirtualClock:
    """Give a clock that stands at 2025-01-01 and moves only when told."""
    return VirtualClock(tmp_path / "clock", start=datetime(2025, 1, 1, tzinfo=UTC))
