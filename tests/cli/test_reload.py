"""A rolling restart as people ask for it, on a real `detent up`."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from detent.loop.servers.reload import server_of
from detent.loop.workspace import open_workspace
from detent.predictions import read
from detent.serving import places
from detent.store import ledger
from detent.store.lock import held_lock

from .commands import Shop, Up, detent, wait_until


class Callers:
    """Callers that ask without a pause until the block ends, each request on a connection of its own."""

    def __init__(self, up: Up, count: int = 2) -> None:
        self.ids: list[str] = []
        self.failures: list[Exception] = []
        self._up, self._ended = up, threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _call(self, number: int) -> None:
        while not self._ended.is_set():
            try:
                self.ids.append(str(self._up.predict(f"caller {number} {len(self.ids)}")["id"]))
            except OSError as error:  # refused, reset, or a status that is no 200
                self.failures.append(error)


def test_reload_replaces_every_worker_of_the_running_server_and_loses_nothing(shop: Shop) -> None:
    ws = open_workspace(shop.folder)
    with Up(shop.folder) as up:
        before = up.workers()
        assert len(before) == 2
        assert server_of(ws) == up.process.pid
        with Callers(up) as callers:
            wait_until(lambda: len(callers.ids) > 20)
            told = detent("reload", cwd=shop.folder)
            more = len(callers.ids) + 20
            wait_until(lambda: len(callers.ids) > more)
        assert (told.returncode, told.stderr) == (0, "")
        assert f"process {up.process.pid} replaces its workers" in told.stdout
        assert "restarted 2 processes in" in told.stdout
        after = up.workers()
        assert len(after) == 2
        assert not before & after
        assert callers.failures == []
        assert up.said("restarted 2 processes")
    assert sorted(read(ws.state)["id"]) == sorted(callers.ids)
    (event,) = ledger.read(ws.db, kind="serving")
    assert (event.kind, event.subject, event.observed["processes"]) == ("serving.restarted", "endpoint:shop", 2)
    assert server_of(ws) is None


def test_sighup_is_a_restart_and_several_at_once_are_one_wish(shop: Shop) -> None:
    with Up(shop.folder) as up:
        before = up.workers()
        for _ in range(5):
            up.process.send_signal(signal.SIGHUP)
        wait_until(lambda: up.said("restarted 2 processes"))
        assert not before & up.workers()
        up.predict("anybody")
    assert 1 <= sum("restarted" in line for line in up.lines) <= 3


def test_a_restart_whose_new_worker_can_not_start_is_told_and_the_old_ones_go_on(shop: Shop) -> None:
    with Up(shop.folder) as up:
        before = up.workers()
        key = places.prediction_key(shop.folder / ".detent")
        good = key.read_bytes()
        key.write_bytes(b"damaged")
        failed = shop.detent("reload")
        assert failed.status == 5
        assert "did not get ready" in failed.err
        assert "the workers before go on" in failed.err
        assert up.workers() == before
        up.predict("anybody")
        # They are still asked what they hold: a version can be rolled out.
        assert shop.detent("rollout", "start", "2").status == 0
        key.write_bytes(good)
        assert shop.detent("reload").status == 0
        assert not up.workers() & before


def test_without_a_running_server_reload_says_so(shop: Shop) -> None:
    for _ in range(2):  # also after one has run and left its lock file
        told = shop.detent("reload")
        assert told.status == 3
        assert "no `detent up` serves this project" in told.err
        (shop.folder / ".detent" / "up.lock").write_text(str(os.getpid()))


def test_a_server_that_would_end_at_a_hangup_is_not_asked(shop: Shop) -> None:
    before = signal.getsignal(signal.SIGHUP)
    with held_lock(shop.folder / ".detent" / "up.lock", what="", why="", fix=""):
        told = shop.detent("reload")
    assert signal.getsignal(signal.SIGHUP) == before
    assert told.status == 3
    assert "runs an older detent" in told.err


def test_a_stop_during_a_restart_is_not_kept_waiting(shop: Shop) -> None:
    with Up(shop.folder) as up:
        up.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(up.workers()) == 3)  # a new one beside the one it is to replace
        children = up.workers()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(30) == 0
    assert up.said("the restart failed: not every worker was replaced")
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("nohup", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_terminal_that_is_closed_ends_the_server_unless_it_was_told_to_outlive_it(shop: Shop, nohup: bool) -> None:
    ours, theirs = pty.openpty()
    program = (  # a shell of its own session, whose terminal is `theirs`
        "import fcntl, os, signal, sys, termios\n"
        "os.setsid(); fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[2] == 'True' else signal.SIG_DFL)\n"
        "os.execv(sys.executable, [sys.executable, '-u', '-m', 'detent.cli.main', 'up', '--port', '0'])\n"
    )
    out = (shop.folder / "out.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(theirs), str(nohup)],
        cwd=shop.folder, pass_fds=(theirs,), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
    )  # fmt: skip
    os.close(theirs)
    try:
        wait_until(lambda: "metrics" in (shop.folder / "out.txt").read_text() or process.poll() is not None)
        assert process.poll() is None
        os.close(ours)
        if nohup:
            assert detent("reload", cwd=shop.folder).returncode == 0
        else:
            assert process.wait(30) == 0
            assert (shop.folder / "out.txt").read_text().endswith("stopped\n")
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        out.close()
