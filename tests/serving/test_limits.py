from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.errors import StoreError
from detent.serving.pages.limits import Meter, Meters


def meter(path: Path, *, slot: int = 0, rate: float = 0.0, burst: int = 1, concurrency: int = 0, row: int = 3) -> Meter:
    return Meters(path, 8, slot=slot, workers=2).meter(row, rate=rate, burst=burst, concurrency=concurrency)


def test_a_burst_is_let_in_and_then_one_request_per_step(tmp_path: Path) -> None:
    one = meter(tmp_path / "meters", rate=10, burst=3)
    assert [one.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert one.take(100.0) == pytest.approx(0.1)
    assert one.take(100.09) == pytest.approx(0.01)
    assert one.take(100.1001) == 0.0
    assert one.take(100.1001) > 0
    assert [one.take(1_000.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.1)]


@given(
    gaps=st.lists(st.floats(0.0, 0.5), min_size=1, max_size=300),
    rate=st.floats(1.0, 200.0),
    burst=st.integers(1, 20),
)
def test_no_span_of_time_sees_more_than_its_rate_and_one_burst(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float], rate: float, burst: int
) -> None:
    one = meter(tmp_path_factory.mktemp("m") / "meters", rate=rate, burst=burst)
    now, let_in = 1_000.0, list[float]()
    for gap in gaps:
        now += gap
        if one.take(now) == 0.0:
            let_in.append(now)
    for first in range(len(let_in)):
        for last in range(first, len(let_in)):
            assert last - first + 1 <= (let_in[last] - let_in[first]) * rate + burst + 1e-6


def test_workers_share_one_rate(tmp_path: Path) -> None:
    first, second = (meter(tmp_path / "meters", slot=slot, rate=10, burst=4) for slot in (0, 1))
    assert [first.take(5.0), second.take(5.0), first.take(5.0), second.take(5.0)] == [0.0] * 4
    assert first.take(5.0) > 0
    assert second.take(5.0) > 0


def test_what_was_used_before_the_machine_started_anew_locks_nobody_out(tmp_path: Path) -> None:
    assert meter(tmp_path / "meters", rate=1, burst=1).take(900_000.0) == 0.0
    assert meter(tmp_path / "meters", rate=1, burst=1).take(3.0) == 0.0


def test_open_requests_are_counted_over_workers(tmp_path: Path) -> None:
    first, second = (meter(tmp_path / "meters", slot=slot, concurrency=2) for slot in (0, 1))
    assert first.enter()
    assert second.enter()
    assert not first.enter()
    assert not second.enter()
    second.leave()
    assert first.enter()


def test_the_successor_of_a_killed_worker_does_not_wait_for_its_requests(tmp_path: Path) -> None:
    assert meter(tmp_path / "meters", slot=1, concurrency=1).enter()
    assert not meter(tmp_path / "meters", slot=0, concurrency=1).enter()
    again = meter(tmp_path / "meters", slot=1, concurrency=1)
    assert again.enter()
    again.leave()


def test_a_worker_that_drains_while_its_successor_counts_anew_takes_nothing_away(tmp_path: Path) -> None:
    old = meter(tmp_path / "meters", slot=0, concurrency=3)
    assert old.enter()
    new = meter(tmp_path / "meters", slot=2, concurrency=3)  # the other number of the same place
    assert new.enter()
    old.leave()
    assert new.enter()
    assert new.enter()
    assert not new.enter()


def test_keys_do_not_share_their_limits(tmp_path: Path) -> None:
    first, second = (meter(tmp_path / "meters", rate=1, row=row) for row in (1, 2))
    assert [first.take(1.0), second.take(1.0)] == [0.0, 0.0]


def test_a_folder_that_can_not_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="limits of API keys"):
        meter(tmp_path / "file" / "meters", rate=1)
