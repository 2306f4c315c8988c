from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from detent.records.signature import Field, Signature
from detent.serving.models import lanes
from detent.serving.models.lanes import LATE, STUCK, Lane
from detent.serving.models.loaded import LoadedVersion, Pace
from detent.serving.models.pace import LONGEST_CALL, best_size, measure
from detent.serving.models.scoring import Outcome
from detent.serving.rows.validate import RowReader

SIGNATURE = Signature(inputs=(Field(name="x", kind="number", nullable=False),), output="score")
NEVER = float("inf")
QUICK, SLOW = Pace(((1, 1e-5), (4, 2e-5)), 4), Pace(((1, 0.5), (4, 0.5)), 4)


class Double:
    """Doubles x. It can be made to wait, to raise, and it remembers the size of each call."""

    signature = SIGNATURE

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[int] = set()
        self.entered = threading.Event()

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        values = np.array(columns["x"], dtype=np.float64)
        self.calls.append(len(values))
        self.threads.add(threading.get_ident())
        self.entered.set()
        assert self.gate.wait(30)
        if (values < 0).any():
            raise ValueError("negative")
        return 2 * values


def version(model: Double, pace: Pace) -> LoadedVersion:
    return LoadedVersion("m", 1, model, RowReader(SIGNATURE), False, pace)  # type: ignore[arg-type]


class Ear:
    """Hears the outcomes."""

    def __init__(self) -> None:
        self.heard: dict[object, Outcome] = {}

    def __call__(self, items: Sequence[object], outcomes: Sequence[Outcome]) -> None:
        for item, outcome in zip(items, outcomes, strict=True):
            assert item not in self.heard, "told twice"
            self.heard[item] = outcome

    async def wait(self, count: int) -> None:
        deadline = time.monotonic() + 20
        while len(self.heard) < count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)


def run(body: Callable[[Lane[object], Ear], object], model: Double, pace: Pace) -> Ear:
    async def inside() -> Ear:
        ear = Ear()
        lane: Lane[object] = Lane(version(model, pace), ear)
        await body(lane, ear)  # type: ignore[misc]
        lane.close()
        return ear

    return asyncio.run(inside())


def ask(lane: Lane[object], *values: float, deadline: float = NEVER) -> None:
    lane.ask(list(values), [(value,) for value in values], [deadline] * len(values))


def test_a_quick_version_answers_at_once_on_this_thread() -> None:
    model = Double()

    async def body(lane: Lane[object], ear: Ear) -> None:
        ask(lane, 1.0, 2.0)
        assert {item: outcome.score for item, outcome in ear.heard.items()} == {1.0: 2.0, 2.0: 4.0}

    run(body, model, QUICK)
    assert (model.calls, model.threads) == ([2], {threading.get_ident()})


def test_more_rows_than_a_batch_are_taken_in_turns_and_others_come_in_between() -> None:
    model = Double()

    async def body(lane: Lane[object], ear: Ear) -> None:
        ask(lane, *map(float, range(10)))
        assert len(ear.heard) == 4  # the loop is free again after one call
        ask(lane, 100.0)
        await ear.wait(11)

    run(body, model, QUICK)
    assert model.calls == [4, 4, 3]


def test_rows_that_arrive_while_a_slow_version_works_share_its_next_call() -> None:
    model = Double()
    model.gate.clear()

    async def body(lane: Lane[object], ear: Ear) -> None:
        for value in (1.0, 2.0, 3.0, 4.0):
            ask(lane, value)
        assert ear.heard == {}
        model.gate.set()
        await ear.wait(4)

    run(body, model, SLOW)
    assert model.calls == [1, 3]
    assert threading.get_ident() not in model.threads


def test_a_row_that_fails_hurts_nobody_in_its_batch() -> None:
    for pace in (QUICK, SLOW):
        ear = run(lambda lane, ear: _ask_and_wait(lane, ear, 1.0, -1.0, 3.0), Double(), pace)
        assert [ear.heard[value].score for value in (1.0, -1.0, 3.0)] == [2.0, None, 6.0]
        assert "negative" in ear.heard[-1.0].error


async def _ask_and_wait(lane: Lane[object], ear: Ear, *values: float) -> None:
    ask(lane, *values)
    await ear.wait(len(values))


def test_a_row_that_is_late_before_its_turn_is_not_computed_and_nobody_is_blamed() -> None:
    model = Double()
    model.gate.clear()

    async def body(lane: Lane[object], ear: Ear) -> None:
        ask(lane, 1.0)
        ask(lane, 2.0, deadline=time.perf_counter())
        ask(lane, 3.0)
        model.gate.set()
        await ear.wait(3)

    ear = run(body, model, SLOW)
    assert ear.heard[2.0] is LATE
    assert sum(model.calls) == 2


def test_a_row_whose_sender_has_hung_up_before_its_turn_is_not_computed() -> None:
    model, hung_up = Double(), {2.0}
    model.gate.clear()

    async def body() -> Ear:
        ear = Ear()
        lane: Lane[object] = Lane(version(model, SLOW), ear, gone=hung_up.__contains__)
        for value in (1.0, 2.0, 3.0):
            ask(lane, value)
        model.gate.set()
        await ear.wait(3)
        lane.close()
        return ear

    ear = asyncio.run(body())
    assert ear.heard[2.0] is LATE
    assert sum(model.calls) == 2


def test_a_caller_is_answered_at_its_deadline_although_the_model_still_works() -> None:
    model = Double()
    model.gate.clear()

    async def body(lane: Lane[object], ear: Ear) -> None:
        ask(lane, 1.0, deadline=time.perf_counter() + 0.05)
        ask(lane, 2.0)
        await ear.wait(1)
        assert "has not answered within" in ear.heard[1.0].error
        model.gate.set()
        await ear.wait(2)

    ear = run(body, model, SLOW)
    assert ear.heard[2.0].score == 4.0


def test_a_model_that_hangs_is_left_behind_and_after_two_calls_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "CALL_SECONDS", 0.05)
    model = Double()
    model.gate.clear()

    async def body(lane: Lane[object], ear: Ear) -> None:
        for value in (1.0, 2.0):
            model.entered.clear()
            ask(lane, value)
            await ear.wait(int(value))
        ask(lane, 3.0)
        await ear.wait(3)
        assert ear.heard[3.0] is STUCK
        model.gate.set()
        while lane._stuck:
            await asyncio.sleep(0.001)
        ask(lane, 4.0)
        await ear.wait(4)

    ear = run(body, model, SLOW)
    assert [ear.heard[value].score for value in (1.0, 2.0, 3.0, 4.0)] == [None, None, None, 8.0]
    assert len(model.calls) == 3


def test_a_version_that_is_slower_than_measured_moves_into_a_thread() -> None:
    class Sluggish(Double):
        def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
            until = time.perf_counter() + 0.006
            while time.perf_counter() < until:
                pass
            return super().predict(columns)

    model = Sluggish()

    async def body(lane: Lane[object], ear: Ear) -> None:
        for value in range(8):
            ask(lane, float(value))
            await ear.wait(value + 1)

    run(body, model, QUICK)
    assert len(model.threads) == 2


def test_the_size_of_a_batch_is_where_a_row_is_cheapest() -> None:
    trees = [(1, 7.8e-6), (4, 12e-6), (8, 17e-6), (16, 27e-6), (32, 45e-6), (64, 100e-6), (128, 399e-6)]
    assert best_size(trees) == 32
    assert best_size([(1, 0.02)]) == 1
    assert best_size([(1, 0.004), (2, 0.007), (4, LONGEST_CALL * 1.5)]) == 2


def test_a_version_is_measured_on_its_golden_rows() -> None:
    model = Double()
    pace = measure(version(model, QUICK), [(1.0,), (2.0,)])
    assert [rows for rows, _ in pace.curve][:3] == [1, 2, 4]
    assert pace.inline
    assert pace.rows in (64, 128, 32)
    assert 0 < pace.per_row < 1e-3
