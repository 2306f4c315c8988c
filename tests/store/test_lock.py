from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detent.errors import BusyError, StoreError
from detent.store.lock import held_lock

WORDS = {"what": "busy", "why": "process {pid} works", "fix": "end process {pid}"}


def test_the_second_one_is_told_at_once_who_is_first(tmp_path: Path) -> None:
    with held_lock(tmp_path / "one" / "lock", **WORDS):
        with pytest.raises(BusyError) as caught, held_lock(tmp_path / "one" / "lock", **WORDS):
            pass
        assert (caught.value.why, caught.value.fix) == (f"process {os.getpid()} works", f"end process {os.getpid()}")
    with held_lock(tmp_path / "one" / "lock", **WORDS):
        pass


def test_a_holder_that_was_killed_leaves_the_lock_free(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom detent.store.lock import held_lock\n"
        "with held_lock(pathlib.Path(sys.argv[1]), what='', why='', fix=''):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    path = tmp_path / "lock"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match="busy") as caught, held_lock(path, **WORDS):
        pass
    assert str(child.pid) in caught.value.why
    child.kill()
    child.communicate()
    with held_lock(path, **WORDS):
        pass


def test_a_lock_that_can_not_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError), held_lock(tmp_path / "file" / "lock", **WORDS):
        pass
