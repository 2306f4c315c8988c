"""Kept rows beside counts: what exact tests say, and changes that no single column shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from detent.loop.champion import bundle_folder
from detent.loop.runs.reference import RESERVOIR_NAME
from detent.loop.watching.drift import look_at_drift
from detent.loop.workspace import Workspace
from detent.records.finding import INFO
from detent.records.log import DROP, LogPlan

from .test_watch import Life


@pytest.fixture
def life(served: Workspace) -> Life:
    return Life(served)


def usual(life: Life, count: int, seed: int) -> pl.DataFrame:
    """Rows as the model was trained on: some of those that were kept."""
    return pl.read_parquet(bundle_folder(life.ws, life.champion) / RESERVOIR_NAME).sample(count, seed=seed)


def findings(life: Life) -> dict[str, object]:
    found = look_at_drift(life.ws, life.champion, life.first, first=life.first).findings
    return {one.column or one.statistic: one for one in found}


def test_what_warns_says_what_exact_tests_of_rows_find(life: Life) -> None:
    life.serve(0, usual(life, 400, 1).with_columns(price=pl.col("price") * 3))
    price = findings(life)["price"]
    assert "rows of training against 400: Kolmogorov-Smirnov" in price.message
    assert "(p < 0.0001), energy" in price.message
    assert price.score_shift is not None


def test_columns_that_go_together_in_another_way_are_told_although_none_has_moved(life: Life) -> None:
    rows = usual(life, 600, 2)
    assert findings_of(life, rows) == {}
    alike = rows.with_columns(discount=rows["discount"].sort().gather(rows["price"].rank("ordinal") - 1))
    (found,) = findings_of(life, alike, day=1).values()
    assert (found.statistic, found.severity, found.column) == ("together", INFO, None)
    assert found.low > 0.52
    assert "none of which has moved" in found.message


def findings_of(life: Life, rows: pl.DataFrame, day: int = 0):
    life.serve(day, rows)
    start = life.first + day * life.ws.project.monitor.window
    found = look_at_drift(life.ws, life.champion, start, first=start).findings
    return {one.column or one.statistic: one for one in found}


def test_an_embedding_is_looked_at_as_one_vector(life: Life) -> None:
    drift = replace(life.ws.project.monitor.drift, embeddings=("p", "nobody_"))
    life.ws = replace(life.ws, project=replace(life.ws.project, monitor=replace(life.ws.project.monitor, drift=drift)))
    assert "p*" not in findings_of(life, usual(life, 400, 3))
    found = findings_of(life, usual(life, 400, 4).with_columns(price=pl.col("price") * 3), day=1)["p*"]
    assert (found.statistic, found.severity) == ("mmd", INFO)
    assert found.p_value < 0.01


def test_masked_inputs_are_not_compared_and_without_kept_rows_nothing_is(life: Life) -> None:
    serving = replace(life.ws.project.serving, log=LogPlan(fields=(("discount", DROP),)))
    life.ws = replace(life.ws, project=replace(life.ws.project, serving=serving))
    dear = usual(life, 400, 5).with_columns(price=pl.col("price") * 3, discount=pl.lit(None, dtype=pl.Float64))
    found = findings_of(life, dear)
    assert set(found) == {"price", "prediction"} or set(found) == {"price"}
    assert np.isfinite(found["price"].score_shift)
    (bundle_folder(life.ws, life.champion) / RESERVOIR_NAME).unlink()
    without = findings_of(life, dear, day=1)["price"]
    assert without.score_shift is None
    assert "Kolmogorov" not in without.message
