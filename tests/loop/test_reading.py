"""Commands that change nothing work where the state may not be written, and what would change it is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from detent.bundle.keys import PRIVATE_NAME
from detent.cli.main import cli
from detent.errors import RefusedError, StoreError
from detent.loop.reading import open_to_read
from detent.loop.workspace import STATE, ServingHost, Workspace
from detent.records.event import Fact
from detent.store import ledger
from detent.store.database import open_database
from detent.store.reading import open_reading
from permissions import permissions_count

COMMANDS = (("status",), ("verify",), ("log",), ("monitor", "report"), ("why", "1"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@pytest.fixture
def copied(served: Workspace, tmp_path: Path) -> Path:
    """A served project that nobody has open."""
    served.db.close()
    shutil.copytree(served.folder, tmp_path / "copied" / "shop")
    return tmp_path / "copied" / "shop"


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write below a folder, nor read the private key."""
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0 if path.name == PRIVATE_NAME else 0o555 if path.is_dir() else 0o444)
    try:
        with permissions_count():
            yield
    finally:
        for path in paths:
            if path.exists():
                path.chmod(0o755 if path.is_dir() else 0o644)


def run(folder: Path, *command: str) -> tuple[int, str]:
    found = CliRunner().invoke(cli, ["-C", str(folder), *command])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output.split("\n")[0]


def test_what_only_reads_says_the_same_where_nothing_may_be_written(copied: Path) -> None:
    before = {command: run(copied, *command) for command in COMMANDS}
    assert {status for status, _ in before.values()} == {0}
    with read_only(copied):
        assert {command: run(copied, *command) for command in COMMANDS} == before
        ws = open_to_read(copied)
        with pytest.raises(StoreError, match="read-only"):
            ws.record(Fact(kind="test.said", subject="project:shop", actor="test", payload={}))
        ws.db.close()


def test_a_database_that_nobody_has_open_is_read_and_nothing_is_left_beside_it(copied: Path) -> None:
    folder = copied / STATE
    with read_only(copied):
        reader = open_reading(folder / "detent.db")
        assert next(ledger.read(reader)).kind == "state.created"
        reader.close()
    assert not list(folder.glob("detent.db-*"))


def test_what_somebody_else_writes_at_this_moment_is_seen(copied: Path) -> None:
    writer = open_database(copied / STATE / "detent.db")
    with writer.transaction() as tx:
        tx.execute("CREATE TABLE told (text TEXT)")
    with read_only(copied):
        reader = open_reading(copied / STATE / "detent.db")
        assert reader.rows("SELECT text FROM told") == []
    with writer.transaction() as tx:
        tx.execute("INSERT INTO told (text) VALUES ('a')")
    assert reader.rows("SELECT text FROM told") == [{"text": "a"}]
    reader.close()
    writer.close()


def test_changes_that_are_not_in_the_file_yet_are_read_from_a_copy(copied: Path, tmp_path: Path) -> None:
    writer = open_database(copied / STATE / "detent.db")
    with writer.transaction() as tx:
        tx.execute("CREATE TABLE told (text TEXT)")
    for name in ("detent.db", "detent.db-wal"):  # as a machine leaves them that lost its power
        shutil.copy(copied / STATE / name, copied / name)
    writer.close()
    with read_only(copied):
        reader = open_reading(copied / "detent.db")
        assert reader.rows("SELECT text FROM told") == []
        with pytest.raises(StoreError, match="read-only"), reader.transaction() as tx:
            tx.execute("INSERT INTO told (text) VALUES ('a')")
        reader.close()
    assert not (copied / "detent.db-shm").exists()


def test_a_host_that_only_serves_can_say_how_things_stand(second: ServingHost) -> None:
    for command in COMMANDS:
        status, said = run(second.folder, *command)
        assert (status, "error" in said) == (0, False), (command, said)
    with pytest.raises(RefusedError, match="may not sign"):
        run(second.folder, "rollback")
    assert not (second.state / "keys" / PRIVATE_NAME).exists()


def test_a_state_of_an_older_release_says_what_to_do(copied: Path) -> None:
    run(copied, "status")
    db = open_database(copied / STATE / "detent.db")
    with db.transaction() as tx:
        tx.execute("DELETE FROM migrations WHERE room = 'predictions'")
    db.close()
    with read_only(copied), pytest.raises(StoreError, match="can't be read without writing"):
        open_to_read(copied)


def test_where_the_state_may_be_written_it_is_opened_as_ever(copied: Path) -> None:
    ws = open_to_read(copied)
    ws.record(Fact(kind="test.said", subject="project:shop", actor="test", payload={}))
    assert [event.kind for event in ledger.read(ws.db)][-1] == "test.said"
    ws.db.close()
