"""Many callers that keep a connection and ask nothing: they cost memory, and nobody else's time."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, ROW, World, body
from .conftest import until
from .open_loop import post

GOOD = post(f"/v1/models/{ENDPOINT}:predict", body(ROW))
MANY = 10_000
SPARE = 500  # descriptors of a process besides its connections


@pytest.fixture
def address(world: World) -> Iterator[tuple[Supervisor, tuple[str, int]]]:
    """One worker, which may hold as many files as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MANY + SPARE:
        pytest.skip(f"this machine allows {hard:,} open files per process, and {MANY + SPARE:,} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY + SPARE), hard))
    world.route((1, 10_000))
    with Supervisor(world.settings(workers=1)) as supervisor:
        host, port = supervisor.address.removeprefix("http://").split(":")
        yield supervisor, (host, int(port))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ask(connection: socket.socket) -> float:
    """Ask on a kept connection; seconds until the whole answer is here."""
    began, data = time.perf_counter(), b""
    connection.sendall(GOOD)
    while b"predictions" not in data:
        part = connection.recv(4096)
        assert part, "the connection was closed"
        data += part
    assert data.startswith(b"HTTP/1.1 200")
    return time.perf_counter() - began


def times(connection: socket.socket, count: int = 500) -> tuple[float, float]:
    """The median and the 99th percentile of so many requests, one after the other."""
    found = sorted(ask(connection) for _ in range(count))
    return found[count // 2], found[count * 99 // 100]


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.slow
def test_ten_thousand_idle_connections_are_held_and_slow_nobody_down(
    address: tuple[Supervisor, tuple[str, int]],
) -> None:
    supervisor, place = address
    (pid,) = supervisor.alive()
    with socket.create_connection(place, timeout=10.0) as busy:
        alone = times(busy)
        before, files = resident(pid), descriptors(pid)
        idle = [socket.create_connection(place, timeout=10.0) for _ in range(MANY)]
        until(lambda: descriptors(pid) >= files + MANY)
        for connection in idle[::10]:  # some have asked before, most never did
            ask(connection)
        each = (resident(pid) - before) / MANY
        beside = times(busy)
        assert each < 16 << 10, f"{each:,.0f} bytes per connection"
        assert beside[0] < 2 * alone[0] + 0.001, f"{beside} s beside them, {alone} s alone"
        assert beside[1] < 2 * alone[1] + 0.020, f"{beside} s beside them, {alone} s alone"
        with socket.create_connection(place, timeout=10.0) as stranger:  # there is room for more
            ask(stranger)
        assert max(ask(connection) for connection in idle[5::50]) < 1.0
        for connection in idle:
            connection.close()
        until(lambda: descriptors(pid) <= files)
        assert times(busy)[0] < 2 * alone[0] + 0.001
    assert supervisor.restarts == 0
