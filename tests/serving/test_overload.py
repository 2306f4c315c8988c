"""Twice as much as a worker can do, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from detent.serving import places
from detent.serving.counts.counters import read_counts, read_numbers
from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, ROW, World, body
from .conftest import Local, until
from .open_loop import offer, post

Serve = Callable[..., Supervisor]
PREDICT = f"/v1/models/{ENDPOINT}:predict"
SLOW = (sys.executable, str(Path(__file__).parent / "entry_slow.py"))


def test_at_twice_its_capacity_a_worker_goes_on_at_its_capacity_and_answers_in_time(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1, timeout=0.4, entry=(*SLOW, "--seconds=0.02"))
    seen = asyncio.run(offer(supervisor.address, post(PREDICT, body(ROW)), rate=100, seconds=2.0, connections=200))
    assert len(seen.good) / seen.seconds > 25  # of 50
    assert seen.at(0.99) < 0.8
    assert len(seen.refused) > 30
    assert len(seen.other) < len(seen.refused)
    assert 1 <= min(seen.retry_after) <= max(seen.retry_after) <= 10
    numbers = read_numbers(places.counter_files(world.state))[0]
    assert numbers["shed"] == len(seen.refused)
    # No version is to blame for what was never asked.
    (count,) = read_counts(places.counter_files(world.state))
    assert count.errors == 0


def test_a_caller_that_can_not_wait_as_long_as_the_queue_is_told_so_at_once(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1, entry=(*SLOW, "--seconds=0.2"))
    url = supervisor.address + PREDICT
    threads = [threading.Thread(target=httpx.post, args=(url,), kwargs={"content": body(ROW)}) for _ in range(6)]
    for thread in threads:
        thread.start()
    hasty = {"x-request-timeout-ms": "100"}
    until(lambda: httpx.post(url, content=body(ROW), headers=hasty).status_code == 503, 10.0)
    for thread in threads:
        thread.join()


def test_requests_above_the_most_that_may_be_open_are_refused(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1, most_open=3, entry=(*SLOW, "--seconds=0.1"))
    seen = asyncio.run(offer(supervisor.address, post(PREDICT, body(ROW)), rate=1_000, seconds=0.02, connections=20))
    assert len(seen.good) == 3
    assert len(seen.refused) == 17


def test_a_model_is_not_asked_for_callers_who_have_hung_up(world: World, serve: Serve) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=1, entry=(*SLOW, "--seconds=0.5"))
    host, port = supervisor.address.removeprefix("http://").split(":")
    ask = post(PREDICT, body(ROW))
    with socket.create_connection((host, int(port))) as first:
        first.sendall(ask)
        assert httpx.get(f"{supervisor.address}/v2/health/live").status_code == 200  # so the first is with the model
        for _ in range(20):
            with socket.create_connection((host, int(port))) as impatient:
                impatient.sendall(ask)
        assert httpx.post(supervisor.address + PREDICT, content=body(ROW)).status_code == 200
        assert first.recv(12) == b"HTTP/1.1 200"
    counts = read_counts(places.counter_files(world.state))
    assert sum(count.requests for count in counts) == 2


def test_a_quick_version_too_refuses_those_who_can_not_wait_for_all_before_them(
    world: World, local: Callable[..., Local]
) -> None:
    world.route((1, 10_000))
    app = local()
    assert {answer.status_code for answer in app.predict_at_once([ROW] * 300)} == {200}  # they have 30 s
    hasty = app.predict_at_once([ROW] * 300, **{"x-request-timeout-ms": "1"})
    refused = [answer.json()["detail"] for answer in hasty if answer.status_code == 503]
    assert refused
    assert all("the answer would take about" in detail for detail in refused)
    assert app.numbers()[0]["shed"] == len(refused)
    alone = app.ask("POST", PREDICT, body(ROW), **{"x-request-timeout-ms": "1000"})
    assert alone.status_code == 200  # nobody is before it
