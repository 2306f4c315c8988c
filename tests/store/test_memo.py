from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from detent.errors import DataError
from detent.store.canonical import digest
from detent.store.database import Database
from detent.store.memo import RACY_NS, FileState, StatMemo, digest_of_file, is_settled, stat_memo, state_of

LATER = 3_600_000_000_000  # nanoseconds: the files of a test were written long ago


def memo_of(db: Database, *, later: int = LATER) -> StatMemo:
    return StatMemo(db, now_ns=lambda: time.time_ns() + later)


def remembered(db: Database) -> int:
    return len(db.rows("SELECT file FROM file_digests"))


def test_a_file_that_looks_the_same_is_not_read_again(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    memo = memo_of(db)
    assert digest_of_file(path, memo) == digest(b"hello")
    memo.save()
    path.rename(tmp_path / "renamed")  # ctime changes: read once more
    assert memo.known(state_of((tmp_path / "renamed").stat())) is None
    assert memo.digest(tmp_path / "renamed") == digest(b"hello")
    memo.save()
    unread = memo_of(db)
    db.rows("SELECT 1")
    with db.transaction() as tx:  # a memo that reads would give the true digest
        tx.execute("UPDATE file_digests SET digest = 'as remembered'")
    assert digest_of_file(tmp_path / "renamed", unread) == "as remembered"
    assert digest_of_file(tmp_path / "renamed") == digest(b"hello")


@pytest.mark.parametrize("how", ["rewritten", "replaced", "rewritten, time set back"])
def test_a_file_that_was_changed_is_read(db: Database, tmp_path: Path, how: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    before = path.stat()
    with stat_memo(db) as memo:
        memo.learn(state_of(before), digest(b"hello"), time.time_ns() + LATER)
        assert digest_of_file(path, memo) == digest(b"hello")
    while time.time_ns() - before.st_ctime_ns < 20_000_000:  # the tick of the filesystem's clock
        pass
    if how == "replaced":
        (tmp_path / "other").write_bytes(b"jello")
        (tmp_path / "other").replace(path)
    else:
        path.write_bytes(b"jello")
    if how != "rewritten":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest_of_file(path, StatMemo(db)) == digest(b"jello")


def test_a_file_that_is_too_young_is_not_remembered(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    for later in (0, RACY_NS // 2, -LATER):  # the last one: a clock that went back
        memo = memo_of(db, later=later)
        memo.digest(path)
        memo.save()
        assert remembered(db) == 0
    memo = memo_of(db, later=RACY_NS)
    memo.digest(path)
    memo.save()
    assert remembered(db) == 1


def test_young_means_bytes_or_anything_else_changed_within_two_seconds(tmp_path: Path) -> None:
    state = state_of(tmp_path.stat())
    last = max(state.mtime_ns, state.ctime_ns)
    assert is_settled(state, last + RACY_NS + 1)
    assert not is_settled(state, last + RACY_NS)
    assert not is_settled(state, last - LATER)


def test_a_row_per_file_stays_and_old_ones_are_dropped(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for number in range(3):
        path.write_bytes(b"%d" % number)
        memo = memo_of(db)
        memo.digest(path)
        memo.save()
    assert remembered(db) == 1
    (tmp_path / "other").write_bytes(b"other")
    much_later = memo_of(db, later=200 * 86_400 * 1_000_000_000)
    much_later.digest(tmp_path / "other")
    much_later.save()
    assert remembered(db) == 1


def test_what_was_read_is_remembered_also_after_an_error(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="no file of that name"), stat_memo(db) as memo:
        memo.learn(state_of(path.stat()), digest(b"hello"), time.time_ns() + LATER)
        digest_of_file(tmp_path / "absent", memo)
    assert remembered(db) == 1


def test_numbers_beyond_what_a_database_holds_are_no_problem(db: Database) -> None:
    state = FileState(device=2**64 - 1, inode=2**64 - 1, size=2**62, mtime_ns=0, ctime_ns=0)
    with stat_memo(db) as memo:
        memo.learn(state, "d", time.time_ns())
    assert StatMemo(db).known(state) == "d"
