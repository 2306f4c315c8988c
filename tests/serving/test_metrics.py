"""`/metrics`: official parsers read it, its numbers add up over processes, and every number of a worker is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import detent
from detent.serving.counts import metrics
from detent.serving.counts.counters import HTTP, LIVE, NUMBERS, Counters
from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, POISON, ROW, World, body
from .conftest import Local

Start = Callable[..., Local]


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


def test_every_number_of_a_worker_is_shown_once() -> None:
    shown = [*metrics._ABOUT, *metrics._GAUGES]
    assert sorted(shown) == sorted(NUMBERS)
    names = [name for name, _ in [*metrics._ABOUT.values(), *metrics._GAUGES.values()]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"detent_[a-z_]+", name) for name in names)


def test_numbers_of_several_processes_add_up(tmp_path: Path) -> None:
    slots = [Counters(tmp_path, slot) for slot in range(3)]
    for slot, counters in enumerate(slots):
        for _ in range(slot + 1):
            counters.count((ENDPOINT, 1, LIVE), seconds=0.001, error=slot == 2)
            counters.count((ENDPOINT, 0, HTTP), seconds=0.002, fallback=slot == 1)
        counters.add("labels_accepted", 5)
        counters.set("in_flight", slot)
    text = metrics.exposition(tmp_path).decode()
    arm = {"endpoint": ENDPOINT, "version": "1", "arm": "live"}
    assert value(text, "detent_predictions_total", **arm) == 6
    assert value(text, "detent_prediction_errors_total", **arm) == 3
    assert value(text, "detent_model_seconds_count", **arm) == 6
    assert value(text, "detent_model_seconds_sum", **arm) == pytest.approx(0.006)
    assert value(text, "detent_requests_total", endpoint=ENDPOINT, status="4xx") == 2
    assert value(text, "detent_requests_total", endpoint=ENDPOINT, status="2xx") == 4
    assert value(text, "detent_labels_accepted_total") == 15
    assert [value(text, "detent_worker_requests_in_flight", worker=str(slot)) for slot in range(3)] == [0, 1, 2]
    assert any(
        name == "detent_build_info" and ("version", detent.__version__) in labels for name, labels in samples(text)
    )
    for counters in slots:
        counters.close()
    assert samples(metrics.exposition(tmp_path).decode()) == samples(text)  # what a dead process counted stays


def test_buckets_are_cumulative_and_end_at_the_count(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    for row in (ROW, POISON, ROW):
        app.predict(row)
    answer = app.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        if family.type != "histogram":
            continue
        series: dict[frozenset[tuple[str, str]], list[float]] = {}
        for one in family.samples:
            if one.name.endswith("_bucket"):
                labels = {name: text for name, text in one.labels.items() if name != "le"}
                series.setdefault(frozenset(labels.items()), []).append(one.value)
        for labels, counts in series.items():
            assert counts == sorted(counts)
            assert counts[-1] == samples(answer.text)[f"{family.name}_count", labels]
    assert value(answer.text, "detent_requests_total", endpoint=ENDPOINT, status="5xx") == 1


def test_answered_requests_are_in_flight_no_more_however_they_ended(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    for row in (ROW, POISON, {}, {**ROW, "hour": "x"}):
        app.predict(row)
    app.ask("POST", "/v1/models/boats:predict", body(ROW))
    app.ask("POST", f"/v1/models/{ENDPOINT}:predict", body(ROW), **{"x-request-timeout-ms": "0"})
    assert app.worker.parts.hot.in_flight == 0
    assert app.worker.parts.endpoints.queued() == 0


def test_two_workers_are_seen_as_one_and_a_page_is_cheap(world: World, serve: Callable[..., Supervisor]) -> None:
    world.route((1, 10_000))
    supervisor = serve(world, workers=2)
    with httpx.Client() as client:
        for _ in range(30):
            client.post(f"{supervisor.address}/v1/models/{ENDPOINT}:predict", content=body(ROW))
            client.headers["connection"] = "close"
        text = client.get(f"{supervisor.address}/metrics").text
    assert value(text, "detent_requests_total", endpoint=ENDPOINT, status="2xx") == 30
    folder = world.state
    began = perf_counter()
    for _ in range(5):
        metrics.exposition(next(path.parent for path in folder.rglob("0.bin")))
    assert (perf_counter() - began) / 5 < 0.25


@pytest.mark.slow
def test_prometheus_own_linter_finds_nothing(world: World, local: Start) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    world.route((1, 10_000))
    app = local()
    app.predict(ROW)
    text = app.ask("GET", "/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
