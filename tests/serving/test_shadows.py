from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detent.predictions.read import read
from detent.records.log import LogPlan
from detent.records.route import Arm, Route
from detent.records.signature import Signature
from detent.serving import places
from detent.serving.counts.counters import Counters, read_counts
from detent.serving.logs.log import PredictionLog
from detent.serving.models.loaded import LoadedVersion
from detent.serving.predict.endpoints import Endpoint
from detent.serving.predict.shadows import MAX_WAITING, ShadowRow, Shadows
from detent.serving.rows.validate import RowReader

from .builders import SIGNATURE
from .conftest import until

NOW = datetime(2013, 7, 1, tzinfo=UTC)
READER = RowReader(SIGNATURE)


class Gated:
    """A predictor that waits at a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.signature = SIGNATURE

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> Gated:
        return cls()

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        assert self.gate.wait(30.0)
        return np.full(len(columns["hour"]), 0.5)


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def endpoint(gated: Gated) -> Endpoint:
    route = Route(
        endpoint="flights", model="flights", seq=1, arms=(Arm(version=1, weight=10_000),), shadows=(2,),
        fallback=None, loaded=(1, 2), salt="",
    )  # fmt: skip
    version = LoadedVersion("flights", 2, gated, READER, True)
    return Endpoint(
        route=route,
        versions={2: version},
        lanes={},
        refused={},
        reader=READER,
        readers=1,
        entity=None,
        probability=True,
    )


@pytest.fixture
def counters(tmp_path: Path) -> Counters:
    return Counters(places.counter_files(tmp_path), 0)


@pytest.fixture
def shadows(tmp_path: Path, counters: Counters, gated: Gated) -> Iterator[Shadows]:
    log = PredictionLog(places.segments(tmp_path), "w0", plan=LogPlan(), key=bytes(32), counters=counters)
    shadows = Shadows(counters, log)
    yield shadows
    gated.gate.set()
    shadows.close(30.0)


def rows(count: int, first: int = 0) -> list[ShadowRow]:
    return [ShadowRow(f"{number:040x}", "", READER, (1.0, 7, "JFK", False)) for number in range(first, first + count)]


def test_a_slow_shadow_holds_nobody_up_and_what_does_not_fit_is_dropped_and_counted(
    shadows: Shadows, endpoint: Endpoint, counters: Counters, gated: Gated, tmp_path: Path
) -> None:
    for _ in range(MAX_WAITING // 1000):
        shadows.submit(endpoint, rows(1000), NOW)  # returns, although the model stands at its gate
    assert counters.get("shadow_pending") == MAX_WAITING
    shadows.submit(endpoint, rows(7), NOW)
    assert counters.get("shadow_dropped") == 7
    gated.gate.set()
    until(lambda: counters.get("shadow_pending") == 0)
    (count,) = read_counts(places.counter_files(tmp_path))
    assert (count.arm, count.requests, count.errors) == ("shadow", MAX_WAITING, 0)
    shadows.submit(endpoint, rows(7), NOW)
    until(lambda: counters.get("shadow_pending") == 0)
    assert counters.get("shadow_dropped") == 7


def test_closing_finishes_what_is_queued(shadows: Shadows, endpoint: Endpoint, gated: Gated, tmp_path: Path) -> None:
    shadows.submit(endpoint, rows(3), NOW)
    shadows.submit(endpoint, rows(3, first=3), NOW)
    gated.gate.set()
    shadows.close(30.0)
    log = read(tmp_path)
    assert log.height == 6
    assert set(log["arm"]) == {"shadow"}
    assert log["served_by"].is_null().all()


def test_a_shadow_that_is_not_ready_is_logged_as_failed(
    shadows: Shadows, endpoint: Endpoint, counters: Counters, tmp_path: Path
) -> None:
    missing = Endpoint(
        route=endpoint.route, versions={}, lanes={}, refused={2: "no verdict"}, reader=READER, readers=1, entity=None,
        probability=True,
    )  # fmt: skip
    shadows.submit(missing, rows(1), NOW)
    until(lambda: counters.get("shadow_pending") == 0)
    assert read(tmp_path)["error"].to_list() == ["version 2 is not ready here: no verdict"]
