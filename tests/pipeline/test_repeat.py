"""One thread of the process does again and again what several ask for, each for as long as it wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from detent.pipeline.repeat import Repeater


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline


def test_an_action_is_called_again_and_again_until_the_block_ends() -> None:
    calls: list[str] = []
    repeater = Repeater(lambda: 0.001, name="test-repeat")
    with repeater.calling(lambda: calls.append("first")):
        wait_for(lambda: len(calls) >= 3)
    with repeater.calling(lambda: calls.append("second")):
        wait_for(lambda: calls.count("second") >= 1)
        known = calls.count("first")
        wait_for(lambda: calls.count("second") >= 4)
    assert calls.count("first") <= known + 1  # the call that had begun when its block ended
    assert len([thread for thread in threading.enumerate() if thread.name == "test-repeat"]) == 1


def test_who_asks_after_a_long_silence_is_served_as_well() -> None:
    calls: list[int] = []
    repeater = Repeater(lambda: 0.001, name="test-silence")
    for size in (1, 2, 3):
        with repeater.calling(lambda: calls.append(1)):
            wait_for(lambda wanted=size: len(calls) >= wanted)
        wait_for(lambda: not repeater._wanted.is_set())
