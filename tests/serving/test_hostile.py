"""Callers that mean harm, against a real worker process: its memory stays bounded and others are answered."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, ROW, World, body
from .conftest import until
from .open_loop import post

PREDICT = f"/v1/models/{ENDPOINT}:predict"
GOOD = post(PREDICT, body(ROW))
MEBIBYTE = 1 << 20


class Server:
    """One worker process and what can be seen of it from outside."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.client = httpx.Client(base_url=supervisor.address, timeout=10.0)
        self.answers()

    def connect(self) -> socket.socket:
        host, port = self.supervisor.address.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), timeout=10.0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def answers(self) -> None:
        """Another caller asks for a prediction and gets it soon."""
        began = time.perf_counter()
        assert self.client.post(PREDICT, content=body(ROW)).status_code == 200
        assert time.perf_counter() - began < 5.0

    @property
    def memory(self) -> int:
        """Resident bytes of the worker."""
        (pid,) = self.supervisor.alive()
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bundles: dict[int, Path]) -> Iterator[Server]:
    world = World(tmp_path_factory.mktemp("hostile") / "state")
    world.ship(1, bundles[1])
    world.route((1, 10_000))
    with Supervisor(world.settings(workers=1)) as supervisor:
        yield Server(supervisor)
        assert supervisor.restarts == 0


def status_of(connection: socket.socket) -> int:
    """The status of the next answer; 0 when the server just hangs up."""
    data = b""
    with suppress(ConnectionError):
        while b"\r\n" not in data:
            part = connection.recv(4096)
            if not part:
                break
            data += part
    return int(data.split(b" ", 2)[1]) if data else 0


def ended(connection: socket.socket) -> bool:
    """True when the server ends the connection; what it says before is read away."""
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"content-length: 11000000", 413),
        (b"content-length: -1", 400),
        (b"content-length: 1e3", 400),
        (b"content-length: 99999999999999999999999", 400),
        (b"content-length: 5\r\ncontent-length: 6", 400),
        (b"content-length: 5\r\ntransfer-encoding: chunked", 400),
        (b"transfer-encoding: chunked, chunked", 400),
        (b"transfer-encoding: xchunked", 400),
        (b"x: " + b"a" * 70_000, 431),
        (b"\r\n".join(b"x%d: y" % number for number in range(8_000)), 431),
        (b"content-length : 5", 400),
        (b"bad header", 400),
    ],
)
def test_a_head_that_lies_or_is_too_large_is_refused(server: Server, head: bytes, status: int) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\n" % PREDICT.encode())
        with suppress(ConnectionError):  # the server may hang up while it is told more
            connection.sendall(head + (b"" if status == 431 else b"\r\n\r\n"))
            if status == 413:
                connection.sendall(b"x" * 11_000_000)
            elif status == 400:
                connection.sendall(body(ROW))
        assert status_of(connection) in (status, 0)
    server.answers()


def test_a_body_without_an_end_is_refused_before_it_fills_the_memory(server: Server) -> None:
    before = server.memory
    with server.connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" % PREDICT.encode())
        chunk = b"100000\r\n" + b"x" * MEBIBYTE + b"\r\n"
        with suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(chunk)
        assert status_of(connection) in (413, 0)
    assert server.memory - before < 64 * MEBIBYTE
    server.answers()


def test_a_body_that_is_longer_than_it_says_does_not_reach_the_next_caller(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(PREDICT, body(ROW)) + b"GET /smuggled\r\n\r\n")
        assert status_of(connection) == 200
        assert ended(connection)
    server.answers()


def test_a_body_that_is_cut_off_is_dropped(server: Server) -> None:
    for cut in (1, len(GOOD) // 2, len(GOOD) - 1):
        with server.connect() as connection:
            connection.sendall(GOOD[:cut])
    server.answers()


def test_callers_that_drip_headers_or_bodies_keep_nobody_waiting(server: Server) -> None:
    before = server.memory
    slow = [server.connect() for _ in range(300)]
    for number, connection in enumerate(slow):
        connection.sendall(GOOD[:60] if number % 2 else GOOD[:-10])
    for place in range(5):
        for number, connection in enumerate(slow):
            connection.sendall(GOOD[60 + place : 61 + place] if number % 2 else GOOD[place - 10 : place - 9])
        server.answers()
    assert server.memory - before < 32 * MEBIBYTE
    for connection in slow:
        connection.close()
    server.answers()


@pytest.mark.slow
def test_a_caller_that_drips_is_let_go(server: Server) -> None:
    with server.connect() as head, server.connect() as silent:
        began = time.perf_counter()
        head.setblocking(False)

        def dripped() -> bool:
            try:
                head.sendall(b"x")
                return head.recv(1) != b"x" and True
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        head.setblocking(True)
        head.sendall(GOOD[:60])
        head.setblocking(False)
        until(dripped, 20.0)
        assert 8.0 < time.perf_counter() - began < 20.0
        silent.close()
    server.answers()


def test_a_caller_that_never_reads_fills_no_memory(server: Server) -> None:
    before = server.memory
    ask = post(PREDICT, body(*[ROW] * 500))  # its answer has some 50 kB
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError, ConnectionError):
            while sent < 4_000:
                connection.sendall(ask)
                sent += 1
        assert sent < 4_000, "the server read on and on"
        server.answers()
        assert server.memory - before < 64 * MEBIBYTE
    server.answers()


def test_a_flood_of_pipelined_requests_is_answered_in_order_and_stays_small(server: Server) -> None:
    before = server.memory
    with server.connect() as connection:
        connection.settimeout(20.0)
        count, data = 2_000, b""
        sent = 0
        burst = GOOD * 20
        while sent < count:
            connection.sendall(burst)
            sent += 20
            data += connection.recv(1 << 16)
        while data.count(b"HTTP/1.1 200") < count:
            part = connection.recv(1 << 16)
            assert part
            data += part
    assert server.memory - before < 32 * MEBIBYTE


def test_a_thousand_idle_connections_cost_little(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2_500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_096), hard))
    before = server.memory
    idle = [server.connect() for _ in range(1_000)]
    server.answers()
    each = (server.memory - before) / len(idle)
    assert each < 32 << 10, f"{each:,.0f} bytes per connection"
    for connection in idle[::100]:
        connection.sendall(GOOD)
        assert status_of(connection) == 200
    for connection in idle:
        connection.close()
    server.answers()


def test_deep_nesting_and_other_json_from_hell_is_a_mistake_of_the_caller(server: Server) -> None:
    deep = b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    wide = b'{"inputs": [{' + b",".join(b'"c%d": 1' % number for number in range(50_000)) + b"}]}"
    for hell in (deep, wide, b'{"inputs": [{"temp": NaN}]}', b"\xff\xfe", b'{"inputs": [{"hour": 1e999}]}', b""):
        answer = server.client.post(PREDICT, content=hell)
        assert 400 <= answer.status_code < 500, hell[:40]
    server.answers()
