"""Candidate and champion are measured in turns, in fresh processes, and only when a line asks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.bundle.load import load
from detent.gate.declared import SideBySide
from detent.loop import places
from detent.loop.judging.side_by_side import ROWS, TURNS, Party, fresh_peak, measure, take_turns
from detent.loop.workspace import Workspace
from detent.project.grammar import parse_check
from detent.records.cost import Prices
from detent.registry import versions

from .linear import Linear

LATENCY = "latency_p99 <= champion * 1.2"


def _rows(n: int = 100) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    return pl.DataFrame({"humid": draw.normal(size=n), "miles": draw.integers(0, 9, n), "sex": ["F"] * n})


def _measured(
    *lines: str, candidate: Linear | None = None, champion: Linear | None = None, folder: Path | None = None
) -> SideBySide | None:
    ours, theirs = (
        Party(predictor=model or Linear(), folder=folder or Path("no-bundle")) for model in (candidate, champion)
    )
    checks = [parse_check(line, 1) for line in lines]
    both = None if champion is None else theirs
    return measure(ours, both, _rows(), checks, prices=Prices(), seed=1)


def test_nothing_is_measured_when_no_line_asks() -> None:
    model = Linear()
    lines = ("roc_auc >= 0.6", "roc_auc >= champion - 0.1", "latency_p99 <= 20ms", "size <= 5MB")
    assert _measured(*lines, candidate=model, champion=model) is None
    assert model.calls == []


def test_only_what_a_line_asks_for_is_measured(tmp_path: Path) -> None:
    model = Linear()
    found = _measured("size <= champion * 2", candidate=model, champion=model, folder=tmp_path)
    assert found is not None
    assert (found.turns, found.memory, found.champion_bytes) == (None, (), 0)
    assert model.calls == []


def test_both_answer_the_same_rows_one_at_a_time_and_who_goes_first_changes(tmp_path: Path) -> None:
    order: list[str] = []

    class Told(Linear):
        def predict(self, columns):
            order.append("candidate" if self.bias else "champion")
            return super().predict(columns)

    candidate, champion = Told(bias=1.0), Told()
    found = _measured(LATENCY, candidate=candidate, champion=champion, folder=tmp_path)
    assert found is not None
    assert found.turns is not None
    assert found.turns.shape == (ROWS * TURNS, 2)
    assert set(candidate.calls) == set(champion.calls) == {1}
    firsts = order[::2]
    assert 0.4 < firsts.count("candidate") / len(firsts) < 0.6
    assert all(first != second for first, second in zip(order[::2], order[1::2], strict=True))


def test_a_model_that_takes_longer_is_measured_longer() -> None:
    rows = _rows()
    slow, fast = (Party(predictor=Linear(seconds=seconds), folder=Path("no")) for seconds in (0.0005, 0.0))
    turns = take_turns(slow, fast, rows, seed=0)
    assert np.median(turns[:, 0]) > 2 * np.median(turns[:, 1])


def test_rows_that_one_of_them_can_not_answer_make_no_pair() -> None:
    rows = _rows().with_columns(humid=pl.when(pl.int_range(pl.len()) < 10).then(None).otherwise("humid"))
    broken, whole = (Party(predictor=Linear(breaks_on=name), folder=Path("no")) for name in ("humid", ""))
    assert len(take_turns(broken, whole, rows, seed=0)) == (ROWS - 10) * TURNS


def test_a_fresh_process_tells_its_own_memory(served: Workspace) -> None:
    folder = places.bundles(served.state) / versions.get(served.db, served.model, 1).digest
    party = Party(predictor=load(folder), folder=folder)
    ballast = np.ones(60_000_000)  # 480 MB in this process, which must not count
    peak, why = fresh_peak(party, pl.read_parquet(served.folder / "data" / "orders.parquet").head(50))
    assert (why, ballast.size) == ("", 60_000_000)
    assert peak is not None
    assert 20e6 < peak < 400e6


@pytest.mark.parametrize(
    ("predictor", "why"), [("remote", "the model runs elsewhere"), ("nothing", "a process that served it failed")]
)
def test_a_memory_that_can_not_be_measured_has_a_reason(tmp_path: Path, predictor: str, why: str) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"predictor": predictor}))
    found = _measured("memory <= 500MB", folder=tmp_path)
    assert found is not None
    assert found.memory == ()
    assert why in found.untold


def test_prices_are_those_of_the_project(tmp_path: Path) -> None:
    found = _measured("cost <= 0.1", folder=tmp_path)
    assert found is not None
    assert found.second == pytest.approx(Prices().cpu_hour / 3600)
    assert found.turns is None
