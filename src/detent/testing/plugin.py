"""The pytest plug-in: fixtures for users' tests. Imports nothing heavy, because pytest loads it for everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from detent.store.clock import VirtualClock

if TYPE_CHECKING:
    from detent.testing.faults import Fault, FaultyFileSystem
    from detent.testing.sim.run import Outcome


@pytest.fixture
def virtual_clock(tmp_path: Path) -> VirtualClock:
    """Give a clock that stands at 2025-01-01 and moves only when told."""
    return VirtualClock(tmp_path / "clock", start=datetime(2025, 1, 1, tzinfo=UTC))


@pytest.fixture
def faulty() -> Callable[[Mapping[Fault, float], int], FaultyFileSystem]:
    """Give what makes a filesystem of local files that misbehaves: `faulty({"timeout": 0.1}, seed)`.

    The rates are shares of calls; equal seeds misbehave alike. See `detent.testing.faults` for the kinds.
    """
    faults, local = import_module("detent.testing.faults"), import_module("fsspec.implementations.local")

    def make(rates: Mapping[Fault, float], seed: int = 0) -> FaultyFileSystem:
        return faults.FaultyFileSystem(local.LocalFileSystem(), faults.seeded(seed, rates))

    return make


@pytest.fixture(scope="session")
def simulated_loop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int], Outcome]:
    """Give what lives through a week of a project's loop in which things go wrong: `simulated_loop(project, seed)`.

    The project's model is trained once per session, in a copy of its folder. The outcome's `broken` is "" when every
    promise was kept; `trace` tells what happened, and `faults` what went wrong.
    """
    campaigns: dict[Path, object] = {}
    prepare = import_module("detent.testing.sim.campaign").prepare
    run_seed = import_module("detent.testing.sim.run").run_seed

    def live(project: Path, seed: int) -> Outcome:
        if project not in campaigns:
            campaigns[project] = prepare(project, tmp_path_factory.mktemp("campaign") / "campaign")
        return run_seed(campaigns[project], seed)

    return live
