"""A run is killed before each call that changes its files; the next run finds nothing damaged, lost or done twice.

`crash_points.py` does it, `crash_checks.py` says what "nothing" is. Here are the moments: a seeded sample with each
system call in it, and, among the slow tests, all of them.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("crash_points.py")
SHARED_MEMORY = Path("/dev/shm")
PROGRAMS = 2  # at the same time, when all moments are tried


class Points:
    """The program, and what it has counted."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(PROGRAM), str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.operations: dict[str, list[dict[str, str]]] = {}

    def ask(self, do: str, **given: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps([do, given])}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def count(self, begin: str) -> int:
        """Return how many operations a run makes from a beginning."""
        if begin not in self.operations:
            counted = self.ask("count", begin=begin)
            assert isinstance(counted, list), counted
            self.operations[begin] = counted
        return len(self.operations[begin])

    def one_of_each_kind(self, begin: str, dice: random.Random) -> list[int]:
        """Return a moment for each system call that occurs."""
        self.count(begin)
        kinds: dict[str, list[int]] = {}
        for number, operation in enumerate(self.operations[begin]):
            kinds.setdefault(operation["call"], []).append(number)
        return sorted(dice.choice(numbers) for numbers in kinds.values())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def started() -> Iterator[Points]:
    """Start the program in a folder that is not on a disk, where there is one: a sync of it costs nothing."""
    top = Path(tempfile.mkdtemp(prefix="detent-crash-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
    points = Points(top / "points")
    try:
        reason = points.ask("unsupported")
        if reason:
            pytest.skip(f"calls can't be counted here: {reason}")
        points.count("empty")
        yield points
    finally:
        points.close()
        shutil.rmtree(top)


@pytest.fixture(scope="module")
def points() -> Iterator[Points]:
    with started() as program:
        yield program


def wrong(points: Points, begin: str, at: list[int], *, workers: bool = False) -> list[str]:
    """Kill and look; return what is wrong, with the moment."""
    found = points.ask("kill", begin=begin, at=at, workers=workers)
    reasons = [*found["wrong"]]
    if not workers and found.get("killed") != [True] * len(at):
        reasons.append(f"it came to its end: {found.get('status')}")
    return [f"killed before {at} of {begin}: {reason}" for reason in reasons]


@pytest.mark.parametrize("begin", ["empty", "worn"])
def test_wherever_a_run_is_killed_the_next_one_finds_nothing_damaged_lost_or_to_be_done_twice(
    points: Points, begin: str
) -> None:
    moments = points.one_of_each_kind(begin, random.Random(7))
    assert len(moments) >= 12
    assert not [reason for at in moments for reason in wrong(points, begin, [at])]


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(points: Points) -> None:
    dice = random.Random(11)
    chain = sorted(dice.sample(range(100, 500), 3), reverse=True)
    found = points.ask("kill", begin="empty", at=chain, workers=False)
    assert not found["wrong"]


def test_a_worker_or_the_driver_may_be_killed(points: Points) -> None:
    dice = random.Random(13)
    moments = [dice.randrange(first, first + 200) for first in (100, 300, 500)]
    assert not [reason for at in moments for reason in wrong(points, "empty", [at], workers=True)]


def test_of_two_runs_that_begin_at_the_same_time_each_step_is_done_by_one(points: Points) -> None:
    assert not [reason for seed in range(4) for reason in points.ask("race", seed=seed, at=None)["wrong"]]


def test_the_steps_of_a_killed_run_are_taken_over_by_the_one_that_waits_for_them(points: Points) -> None:
    dice = random.Random(17)
    moments = [dice.randrange(first, first + 150) for first in (200, 350, 500)]
    found = [points.ask("race", seed=seed, at=at) for seed, at in enumerate(moments)]
    assert not [reason for one in found for reason in one["wrong"]]


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("begin", ["empty", "worn"])
def test_before_every_operation(begin: str) -> None:
    def share(number: int) -> tuple[int, list[str]]:
        with started() as points:
            moments = range(number, points.count(begin), PROGRAMS)
            return len(moments), [reason for at in moments for reason in wrong(points, begin, [at])]

    with ThreadPoolExecutor(PROGRAMS) as pool:
        shares = list(pool.map(share, range(PROGRAMS)))
    assert sum(tried for tried, _ in shares) > 200
    assert not [reason for _, reasons in shares for reason in reasons]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_random_moments_of_workers_drivers_chains_and_races(points: Points) -> None:
    dice = random.Random(23)
    length = points.count("empty")
    reasons: list[str] = []
    for _ in range(40):
        reasons += wrong(points, "empty", [dice.randrange(length)], workers=True)
    for _ in range(15):
        found = points.ask("kill", begin="empty", at=dice.sample(range(length), 4), workers=False)
        reasons += found["wrong"]
    for seed in range(100, 160):
        at = dice.choice([None, dice.randrange(length)])
        reasons += [f"race {seed} {at}: {reason}" for reason in points.ask("race", seed=seed, at=at)["wrong"]]
    assert not reasons


def of_command(*words: object) -> Any:
    program = Path(__file__).with_name("crash_command.py")
    ended = subprocess.run([sys.executable, str(program), *map(str, words)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    if "unsupported" in said:
        pytest.skip(f"calls can't be counted here: {said['unsupported']}")
    return said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_killed_command_leaves_a_project_that_runs_verifies_and_scrubs(tmp_path: Path) -> None:
    length = of_command(tmp_path / "counted", "count")["count"]
    dice = random.Random(29)
    moments = [dice.randrange(start, start + length // 30) for start in range(0, length - length // 30, length // 30)]

    def reasons(at: int) -> list[str]:
        found = of_command(tmp_path / str(at) / "project", at)["wrong"]
        return [f"killed before {at}: {reason}" for reason in found if reason != "it was not killed"]

    with ThreadPoolExecutor(PROGRAMS) as pool:
        assert not [reason for some in pool.map(reasons, moments) for reason in some]
