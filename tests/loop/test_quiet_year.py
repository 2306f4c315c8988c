"""Noise alone must not train anything: the monitor's findings on rows that never drift, heard by the trigger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.monitor.world import DAILY, DAY, MONDAY, PLAN, draw, reference_of

from detent.loop.servers.serve import NeighbourGateway
from detent.loop.triggers.act import Hands, turn
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.drift.detect import detect
from detent.monitor.drift.window import Seen
from detent.statistics.granules import count

START = MONDAY.replace(year=2027)


class Calendar:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = START

    def now(self):
        return self.moment


def trainings(served: Workspace, days: int, seed: int, *, shift_from: int | None = None) -> list[int]:
    """Return on which days a training began, with everything switched on that could ask for one."""
    calendar = Calendar()
    trigger = replace(served.project.trigger, drift="warning", quality="warning", challenger=False, cron=None)
    trigger = replace(trigger, new_rows=None, cooldown=DAY, budget=99)
    monitor = replace(served.project.monitor, window=DAY)
    project = replace(served.project, trigger=trigger, monitor=monitor)
    ws = replace(served, project=project, clock=calendar)
    reference = reference_of(*draw(seed, 5000))
    seen, began = [], []
    for day in range(days):
        table, scores = draw(10_000 * (seed + 1) + day, 300)
        if shift_from is not None and day >= shift_from:
            table["x0"] = np.asarray(table["x0"]) + 0.8
        start = START + day * DAY
        seen.append(Seen(start=start, end=start + DAY, granule=count(reference.layout, table, scores)))
        calendar.moment = start + DAY + timedelta(minutes=1)
        found = detect(reference, seen[-28:], budget=DAILY, plan=PLAN)
        with ws.db.transaction() as tx:
            store.save_findings(tx, found, endpoint="shop", version=1, actor="test", now=calendar.now())
        hands = Hands(
            gateway=NeighbourGateway(ws), train=lambda _, held, day=day: began.append(day), tell=lambda _: None
        )
        turn(ws, found, hands)
    return began


def test_two_quiet_months_train_nothing(served: Workspace) -> None:
    assert trainings(served, 60, seed=1) == []


def test_a_real_shift_trains_after_three_windows(served: Workspace) -> None:
    began = trainings(served, 26, seed=2, shift_from=20)
    assert began
    assert 20 <= began[0] <= 23


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_quiet_year_trains_at_most_once(served: Workspace, seed: int) -> None:
    assert len(trainings(served, 365, seed=100 + seed)) <= 1
