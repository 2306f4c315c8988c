from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from detent.predictions import places
from detent.predictions.read import read
from detent.predictions.seal import seal
from detent.store.segments import SegmentWriter

from .builders import START, hours, turn

POINTS = Path(__file__).parent / "crash_points.py"
MOVE = (
    "import sys; from pathlib import Path; from detent.predictions.seal import seal;"
    "print(flush=True); sys.stdin.readline(); seal(Path(sys.argv[1]), Path(sys.argv[2]))"
)


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_before_any_call_that_changes_a_file_loses_and_doubles_nothing(tmp_path: Path, every: int) -> None:
    command = [sys.executable, str(POINTS), str(tmp_path), str(every)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    if "unsupported" in said:
        pytest.skip(f"calls can't be counted here: {said['unsupported']}")
    assert said["status"] == 0, ended.stderr
    assert said["points"] > 30  # torn bytes aside, a cut, a new name, Parquet of two days, removals
    assert not said["wrong"], ended.stderr


def test_two_processes_that_move_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    writer = SegmentWriter(places.segments(tmp_path), "w0")
    for number in range(60):
        writer.append([turn(number, at=START + hours(number / 2))])
        if number % 2:
            writer.seal()
    command = [sys.executable, "-c", MOVE, str(places.segments(tmp_path)), str(places.parquet(tmp_path))]
    movers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for mover in movers:
        assert mover.stdout is not None
        mover.stdout.readline()
    for mover in movers:
        mover.communicate(b"go\n")
    assert [mover.returncode for mover in movers] == [0, 0]
    assert [int(id_, 16) for id_ in read(tmp_path)["id"]] == list(range(60))
    assert not list(places.segments(tmp_path).glob("*.sealed"))
    assert seal(places.segments(tmp_path), places.parquet(tmp_path)).rows == 0
