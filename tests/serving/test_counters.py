from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from detent.errors import BusyError
from detent.records.prediction import ArmCount
from detent.serving.counts.counters import Counters, held_slots, read_counts, read_numbers, read_rows
from detent.serving.counts.metrics import exposition

LIVE, SHADOW = ("flights", 3, "live"), ("flights", 3, "shadow")


def test_counts_are_summed_over_workers_and_survive_their_restart(tmp_path: Path) -> None:
    first, second = Counters(tmp_path, 0), Counters(tmp_path, 1)
    for counters in (first, second):
        counters.count(LIVE, seconds=0.001)
        counters.count(LIVE, seconds=0.001, error=True)
        counters.count(SHADOW, seconds=0.001)
        counters.count(("flights", 0, "http"), seconds=0.002)
    first.close()
    again = Counters(tmp_path, 0)
    again.count(("flights", 4, "live"), seconds=0.001)
    again.count(SHADOW, seconds=0.001)
    assert read_counts(tmp_path) == [
        ArmCount(version=3, arm="live", requests=4, errors=2),
        ArmCount(version=3, arm="shadow", requests=3, errors=0),
        ArmCount(version=4, arm="live", requests=1, errors=0),
    ]
    assert read_numbers(tmp_path)[0]["starts"] == 2
    assert read_counts(tmp_path, "boats") == []


def test_there_is_room_for_any_number_of_versions(tmp_path: Path) -> None:
    counters = Counters(tmp_path, 0)
    for _ in range(2):
        for number in range(1, 301):
            counters.count(("flights", number, "live"), seconds=0.001)
    assert read_counts(tmp_path) == [
        ArmCount(version=number, arm="live", requests=2, errors=0) for number in range(1, 301)
    ]


def test_one_slot_has_one_writer(tmp_path: Path) -> None:
    counters = Counters(tmp_path, 0)
    with pytest.raises(BusyError, match="slot 0"):
        Counters(tmp_path, 0)
    counters.close()
    Counters(tmp_path, 0).close()


def test_a_slot_is_held_while_its_process_counts_and_looking_at_it_takes_nothing(tmp_path: Path) -> None:
    first, second = Counters(tmp_path, 0), Counters(tmp_path, 1)
    assert held_slots(tmp_path) == [0, 1]
    first.close()
    assert held_slots(tmp_path) == [1]
    again = Counters(tmp_path, 0)
    assert held_slots(tmp_path) == [0, 1]
    again.close()
    second.close()
    assert held_slots(tmp_path) == []


def test_a_worker_starts_while_somebody_looks_for_living_ones(tmp_path: Path) -> None:
    Counters(tmp_path, 0).close()
    descriptor = os.open(tmp_path / "0.bin", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    release = threading.Timer(0.005, os.close, (descriptor,))
    release.start()
    Counters(tmp_path, 0).close()
    release.join()


def test_durations_fall_into_buckets_of_powers_of_two(tmp_path: Path) -> None:
    counters = Counters(tmp_path, 0)
    for seconds in (0.0, 0.0000015, 0.001, 3600.0):
        counters.count(LIVE, seconds=seconds)
    (row,) = read_rows(tmp_path)
    assert {place: count for place, count in enumerate(row.histogram) if count} == {0: 1, 1: 1, 10: 1, 31: 1}
    assert row.seconds == pytest.approx(3600.0010015)


def test_metrics_are_sums_in_prometheus_text(tmp_path: Path) -> None:
    for slot in (0, 1):
        counters = Counters(tmp_path, slot)
        counters.count(LIVE, seconds=0.001, error=True, fallback=True)
        counters.count(("flights", 0, "http"), seconds=0.001)
        counters.add("log_failures")
        counters.set("route_seq", 7)
    text = exposition(tmp_path).decode()
    for line in (
        'detent_predictions_total{arm="live",endpoint="flights",version="3"} 2.0',
        'detent_prediction_errors_total{arm="live",endpoint="flights",version="3"} 2.0',
        'detent_prediction_fallbacks_total{arm="live",endpoint="flights",version="3"} 2.0',
        'detent_model_seconds_bucket{arm="live",endpoint="flights",le="0.001024",version="3"} 2.0',
        'detent_model_seconds_bucket{arm="live",endpoint="flights",le="0.000512",version="3"} 0.0',
        'detent_requests_total{endpoint="flights",status="2xx"} 2.0',
        "detent_log_failures_total 2.0",
        'detent_worker_route_seq{worker="1"} 7.0',
    ):
        assert line in text
