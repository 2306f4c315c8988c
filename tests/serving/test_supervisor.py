"""Real worker processes on real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from detent.errors import BusyError, DetentError
from detent.predictions.labels import revisions
from detent.predictions.read import read
from detent.serving import places
from detent.serving.counts.counters import read_counts, read_numbers
from detent.serving.http.protocol import LINGER
from detent.serving.workers import acknowledge
from detent.serving.workers.acknowledge import Acknowledgement
from detent.serving.workers.supervisor import Supervisor
from detent.store.clock import VirtualClock
from detent.store.database import open_database

from .builders import ENDPOINT, ROW, World, body
from .conftest import Load, until

Serve = Callable[..., Supervisor]
PREDICT = f"/v1/models/{ENDPOINT}:predict"
REST = {"stale": 0, "refused": []}  # of a receipt for labels


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, bundles: dict[int, Path]) -> Iterator[tuple[World, Supervisor]]:
    """Two workers that several tests use one after the other."""
    world = World(tmp_path_factory.mktemp("shared") / "state")
    for number, folder in bundles.items():
        world.ship(number, folder)
    world.route((1, 10_000), loaded=(1, 2))
    with Supervisor(world.settings()) as supervisor:
        yield world, supervisor


def loads(world: World) -> int:
    return sum(slot["loads"] for slot in read_numbers(places.counter_files(world.state)).values())


def dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def test_a_change_of_route_is_the_next_request_of_every_worker_and_rollback_loads_nothing(
    shared: tuple[World, Supervisor],
) -> None:
    world, supervisor = shared
    world.route((1, 10_000), loaded=(1, 2))
    assert supervisor.prepare([1, 2], 30.0) == {}
    loaded = loads(world)
    with Load(supervisor.address) as load:
        for name, version in (("promoted", 2), ("rolled back", 1), ("promoted again", 2)):
            world.route((version, 10_000), loaded=(1, 2))
            load.mark(name)
            load.more(100)
            load.mark("between")
    assert set(load.statuses) == {200}
    assert set(load.after["promoted"]) == set(load.after["promoted again"]) == {2}
    assert set(load.after["rolled back"]) == {1}
    assert loads(world) == loaded


def test_a_new_version_is_loaded_while_the_old_one_answers(shared: tuple[World, Supervisor]) -> None:
    world, supervisor = shared
    with Load(supervisor.address) as load:
        world.route((1, 10_000), loaded=(1, 3))
        assert supervisor.prepare([1, 3], 30.0) == {}
        load.mark("prepared")
        world.route((3, 10_000), loaded=(1, 3))
        load.mark("moved")
        load.more(50)
    assert set(load.statuses) == {200}
    assert set(load.after["moved"]) == {3}


def test_prepare_says_why_a_version_can_not_serve(shared: tuple[World, Supervisor]) -> None:
    world, supervisor = shared
    world.route((1, 10_000), loaded=(1, 8, 99))
    refused = supervisor.prepare([1, 8, 99, 5], 30.0)
    assert set(refused) == {8, 99, 5}
    assert "verdict is `reject`" in refused[8]
    assert "not on this machine" in refused[99]
    assert "no route names it" in refused[5]


def test_a_page_edited_by_hand_can_not_make_a_worker_serve_an_unadmitted_version(
    shared: tuple[World, Supervisor],
) -> None:
    world, supervisor = shared
    world.route((1, 10_000), loaded=(1,))
    with Load(supervisor.address) as load:
        world.route((1, 0), (8, 10_000), fallback=1)
        load.mark("edited")
        load.more(50)
    assert set(load.statuses) == {200}
    assert set(load.after["edited"]) == {1}
    assert 8 not in load.versions


def test_labels_are_stored_once_corrected_with_history_and_refused_while_the_database_is_locked(
    shared: tuple[World, Supervisor],
) -> None:
    world, supervisor = shared
    world.route((1, 10_000))
    client = httpx.Client(base_url=supervisor.address)
    id_ = client.post(PREDICT, content=body(ROW)).json()["predictions"][0]["id"]

    def send(value: int) -> httpx.Response:
        # A new connection each time, so that both workers get some of them.
        return httpx.post(f"{supervisor.address}/feedback", json={"labels": [{"prediction_id": id_, "value": value}]})

    assert send(1).json() == {"accepted": 1, "duplicate": 0, "corrected": 0, **REST}
    for _ in range(4):
        assert send(1).json() == {"accepted": 0, "duplicate": 1, "corrected": 0, **REST}
    assert send(0).json() == {"accepted": 0, "duplicate": 0, "corrected": 1, **REST}
    db = open_database(world.state / "detent.db")
    assert [revision.value for revision in revisions(db, id_)] == [1.0, 0.0]
    with db.transaction():
        locked = send(1)
        assert (locked.status_code, locked.headers["retry-after"]) == (503, "1")
    assert [revision.value for revision in revisions(db, id_)] == [1.0, 0.0]
    assert send(1).json()["corrected"] == 1


@pytest.mark.parametrize(
    "sent",
    [b"garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01",
     b"POST /feedback HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
     b"POST /feedback HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"POST /feedback HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhel"],
)  # fmt: skip
def test_bytes_that_are_no_request_do_not_trouble_a_worker(shared: tuple[World, Supervisor], sent: bytes) -> None:
    world, supervisor = shared
    world.route((1, 10_000))
    pids = supervisor.alive()
    host, port = supervisor.address.removeprefix("http://").split(":")
    for _ in range(4):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(10.0)
            try:
                answer = connection.recv(200)
            except ConnectionResetError:
                answer = b""
            assert answer == b"" or b" 4" in answer[:13]
    assert supervisor.alive() == pids
    assert httpx.post(supervisor.address + PREDICT, content=body(ROW)).status_code == 200


def test_an_oversized_body_is_answered_over_a_real_socket(shared: tuple[World, Supervisor]) -> None:
    _, supervisor = shared
    answer = httpx.post(supervisor.address + PREDICT, content=b"x" * (11 << 20), timeout=30.0)
    assert answer.status_code == 413


def test_killing_a_worker_under_load_fails_only_what_it_had_in_hand(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world)
    before = supervisor.alive()
    counted = 0
    with Load(supervisor.address, callers=6) as load:
        load.more(100)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(supervisor.alive()) == 2 and supervisor.alive()[0] != before[0])
        assert supervisor.prepare([1], 30.0) == {}
        broken = sum(count for status, count in load.statuses.items() if status != 200)
        load.more(200)
        counted = sum(count for status, count in load.statuses.items() if status != 200)
    assert broken <= 6  # at most one request per caller was in the dead worker's hands
    assert counted == broken
    assert load.statuses[200] > 300
    assert not {503, 500} & set(load.statuses)
    assert supervisor.alive()[1] == before[1]
    logged = set(read(world.state)["id"])
    assert set(load.ids) <= logged
    (count,) = read_counts(places.counter_files(world.state))
    assert count.requests >= len(load.ids)


def test_a_rolling_restart_under_load_loses_nothing(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world)
    before = supervisor.alive()
    with Load(supervisor.address, callers=6) as load, Load(supervisor.address, callers=2, fresh=True) as strangers:
        for _ in range(2):
            supervisor.restart()
            load.more(50)
    assert not set(before) & set(supervisor.alive())
    assert len(supervisor.alive()) == len(before)
    assert set(load.statuses) == set(strangers.statuses) == {200}
    assert sorted(read(world.state)["id"]) == sorted(load.ids + strangers.ids)
    assert supervisor.restarts == 0


def listens(pid: int, port: int) -> bool:
    """Tell whether a process has the port's socket open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    return bool(sockets & {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()})


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
def test_a_worker_that_stands_still_while_it_ends_answers_what_came_meanwhile(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1)
    [old] = supervisor.alive()
    host, port = supervisor.address.removeprefix("http://").rsplit(":", 1)
    asked = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body(ROW))}\r\n\r\n".encode() + body(ROW)
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(asked)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        restart = threading.Thread(target=supervisor.restart)
        restart.start()
        until(lambda: not listens(old, int(port)))
        os.kill(old, signal.SIGSTOP)
        try:
            line.sendall(asked)
            line.settimeout(LINGER + 0.2)
            with pytest.raises(TimeoutError):
                line.recv(65536)
        finally:
            os.kill(old, signal.SIGCONT)
        line.settimeout(20)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        restart.join()


def test_a_restart_that_fails_leaves_the_old_workers(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1)
    before = supervisor.alive()
    key = places.prediction_key(world.state)
    good = key.read_bytes()
    key.write_bytes(b"damaged")
    with Load(supervisor.address) as load:
        with pytest.raises(BusyError, match="did not get ready"):
            supervisor.restart(timeout=3.0)
        load.more(20)
    assert supervisor.alive() == before
    assert set(load.statuses) == {200}
    assert supervisor.prepare([1], 5.0) == {}  # the workers before are still the ones that are asked
    key.write_bytes(good)
    supervisor.restart()
    assert supervisor.alive() != before


def test_every_answered_prediction_is_in_the_log_after_all_workers_were_killed(world: World, serve: Serve) -> None:
    world.route((1, 10_000), shadows=(2,), loaded=(1, 2))
    supervisor = serve(world)
    with Load(supervisor.address) as load:
        load.more(200)
        for pid in supervisor.alive():
            os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.restarts == 2)
    assert len(load.ids) > 200
    live = read(world.state).filter(arm="live")
    assert set(load.ids) <= set(live["id"])
    assert live["id"].is_unique().all()


def test_a_full_disk_refuses_answers_and_loses_none(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    entry = world.settings().entry
    supervisor = serve(world, entry=(*entry, f"--largest-file={150_000}"))
    client = httpx.Client(base_url=supervisor.address)
    answered: list[str] = []
    for _ in range(100):
        answer = client.post(PREDICT, content=body(*[ROW] * 20))
        if answer.status_code != 200:
            break
        answered += [line["id"] for line in answer.json()["predictions"]]
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:detent:problem:log-full"
    assert len(answered) > 100
    log = read(world.state)
    assert sorted(log["id"]) == sorted(answered)
    assert sum(slot["log_failures"] for slot in read_numbers(places.counter_files(world.state)).values()) == 1
    assert read_counts(places.counter_files(world.state))[0].requests == len(answered)
    assert client.get("/healthz").status_code == 200


def test_a_stop_answers_what_is_in_flight_seals_the_log_and_frees_the_port(world: World, serve: Serve) -> None:
    world.route((1, 10_000), shadows=(2,), loaded=(1, 2))
    supervisor = serve(world, grace=5.0)
    pids, address = supervisor.alive(), supervisor.address
    with Load(address) as load:
        load.more(50)
        supervisor.stop()
        assert all(dead(pid) for pid in pids)
    assert not {500, 503} & set(load.statuses)
    log = read(world.state, include_open=False)
    assert set(load.ids) <= set(log.filter(arm="live")["id"])
    assert log.filter(arm="shadow").height == log.filter(arm="live").height
    assert not list(places.segments(world.state).glob("*.open"))
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    supervisor.stop()


def test_workers_end_when_their_supervisor_is_killed(world: World) -> None:
    world.route((1, 10_000))
    program = (
        "import sys, time, msgspec\n"
        "from detent.serving.workers.settings import SupervisorSettings\n"
        "from detent.serving.workers.supervisor import Supervisor\n"
        "from pathlib import Path\n"
        "s = Supervisor(SupervisorSettings(state=Path(sys.argv[1]), endpoints=('flights',),\n"
        "               public_key=bytes.fromhex(sys.argv[2]), workers=2))\n"
        "s.start(); print(*s.alive(), flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(world.state), world.settings().public_key.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        process.kill()
    until(lambda: all(dead(pid) for pid in pids))


@pytest.mark.parametrize("shared_port", [False, True])
def test_a_taken_port_is_said_so(world: World, shared_port: bool) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared_port)  # as another supervisor does
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BusyError, match=str(port)):
            Supervisor(world.settings(port=port, grace=0.1)).start()


def test_a_worker_that_can_not_start_is_reported_with_its_last_words(world: World) -> None:
    supervisor = Supervisor(world.settings(workers=1, entry=(sys.executable, "-c", "raise SystemExit('no luck')")))
    with pytest.raises(BusyError, match="no luck"):
        supervisor.start(timeout=2.0)
    assert supervisor.alive() == ()
    assert 1 <= supervisor.restarts <= 8  # it was tried again, at a slowing pace


def test_an_endpoint_needs_a_name_that_fits(world: World) -> None:
    with pytest.raises(DetentError, match="endpoint"):
        Supervisor(world.settings(endpoints=("x" * 200,)))


def test_predictions_carry_virtual_time_and_a_day_that_is_over_is_sealed(world: World, serve: Serve) -> None:
    evening = datetime(2013, 7, 1, 23, 59, tzinfo=UTC)
    clock = VirtualClock(world.state / "clock", start=evening)
    world.route((1, 10_000), shadows=(2,), loaded=(1, 2))
    stale = Acknowledgement(pid=1, life="earlier", page_seq=1_000, address="")
    acknowledge.write(places.acknowledgements(world.state), 0, stale)
    supervisor = serve(world, workers=1, clock_file=world.state / "clock")
    assert acknowledge.read(places.acknowledgements(world.state), 0) != stale
    with httpx.Client(base_url=supervisor.address) as client:
        client.post(PREDICT, content=body(ROW, ROW))
        assert supervisor.settle(30.0)
        clock.set(evening + timedelta(minutes=2))
        until(lambda: list(places.segments(world.state).glob("*.sealed")))
        client.post(PREDICT, content=body(ROW))
    assert supervisor.settle(30.0)
    assert {count.requests for count in read_counts(places.counter_files(world.state))} == {3}
    log = read(world.state)
    assert log["time"].to_list() == [evening] * 4 + [evening + timedelta(minutes=2)] * 2
    said = json.loads((places.acknowledgements(world.state) / "0.json").read_text())
    assert said["ready"] == ["flights/1", "flights/2"]
    assert said["address"] == supervisor.address
