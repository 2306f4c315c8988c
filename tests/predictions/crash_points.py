"""Run by test_crash.py in a process without threads: kill the moving of segments before every call it makes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from detent.predictions import places
from detent.predictions.read import read
from detent.predictions.seal import seal
from detent.store.segments import SegmentWriter
from detent.store.turns import LogRow, encode_names, encode_turn
from detent.testing.crash import crash, unsupported

START = datetime(2013, 7, 1, 12, tzinfo=UTC)
ROWS = 20  # hours: two days


def write(state: Path) -> None:
    """A finished segment, and a torn one of a worker that is gone."""
    folder = places.segments(state)
    done, gone = (SegmentWriter(folder, f"w{number}") for number in range(2))
    for number in range(ROWS):
        (done, gone)[number % 2].append([turn(number)])
    done.seal()
    os.write(gone.descriptor, b"\x40\0\0\0torn")
    os.close(gone.descriptor)


def turn(number: int) -> bytes:
    at = round((START + timedelta(hours=number)).timestamp() * 1e6)
    row = LogRow(f"{number:040x}", at, "e", 1, 1, 1, "live", 1.0, "", 0, (1.5,), 0.5, "", 0.001, "")
    return encode_turn({0: encode_names(("x",))}, [row])


def move(state: Path) -> None:
    seal(places.segments(state), places.parquet(state))


def check(state: Path) -> None:
    """Everything is there once, before and after somebody goes on, and nothing is left over."""
    wanted = list(range(ROWS))
    assert [int(id_, 16) for id_ in read(state)["id"]] == wanted, "after the kill"
    move(state)
    assert [int(id_, 16) for id_ in read(state)["id"]] == wanted, "after going on"
    left = sorted(path.name for path in places.segments(state).glob("w*-*"))
    assert left == ["w1-00000001.torn"], left
    assert (places.segments(state) / left[0]).read_bytes() == b"\x40\0\0\0torn"


def main(folder: Path, every: int) -> dict[str, object]:
    reason = unsupported()
    if reason:
        return {"unsupported": reason}
    template = folder / "template"
    write(template)
    shutil.copytree(template, folder / "whole")
    whole = crash(lambda: move(folder / "whole"), folder / "whole")
    wrong = []
    for at in range(0, len(whole.operations), every):
        state = folder / str(at)
        shutil.copytree(template, state)
        killed = crash(lambda state=state: move(state), state, at=at)
        if not killed.killed or crash(lambda state=state: check(state), state).status:
            wrong.append(f"before {killed.operations[-1]}")
    return {"points": len(whole.operations), "status": whole.status, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
