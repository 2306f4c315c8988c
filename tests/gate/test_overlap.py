"""No evaluation row was trained on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from detent.gate.checks.overlap import Overlap
from detent.gate.evidence import Evidence, row_digests

from .builders import always, evidence

CHECK = always("overlap")
COLUMNS = ("a", "b", "label")


def _rows(n: int, seed: int, levels: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {"a": draw.integers(0, levels, n), "b": draw.integers(0, levels, n), "label": draw.integers(0, 2, n)}
    )


def _contents(train: pl.DataFrame, rows: pl.DataFrame) -> Evidence:
    return evidence(
        rows.height, keys=None, train_keys=None, digests=row_digests(rows, COLUMNS),
        train_digests=row_digests(train, COLUMNS),
    )  # fmt: skip


def test_separate_rows_pass_and_the_reason_says_what_was_compared() -> None:
    result = Overlap()(CHECK, evidence())
    assert result.decision == "pass"
    assert "(by time, key)" in result.reason


def test_of_a_model_from_elsewhere_nobody_claims_to_know_its_training_rows() -> None:
    rows = _rows(400, 1, 1000)
    for facts in (evidence(elsewhere=True), replace(_contents(_rows(400, 2, 1000), rows), elsewhere=True)):
        result = Overlap()(CHECK, facts)
        assert result.decision == "pass"
        assert "no evaluation row is a training row of this project" in result.reason
        assert "what this model was trained on is not known" in result.reason


def test_one_shared_key_rejects_and_is_named() -> None:
    result = Overlap()(CHECK, evidence(train_keys=pl.Series(["F7", "G1"])))
    assert result.decision == "reject"
    assert "1 of 1,000 evaluation rows" in result.reason
    assert "F7" in result.reason


def test_keys_of_two_types_are_compared_by_their_text() -> None:
    numbers = pl.Series(range(1000))
    assert Overlap()(CHECK, evidence(keys=numbers, train_keys=pl.Series(["5"]))).decision == "reject"
    assert Overlap()(CHECK, evidence(keys=numbers, train_keys=pl.Series(["a"]))).decision == "pass"


def test_training_rows_that_are_not_earlier_reject() -> None:
    moment = datetime(2013, 3, 1, tzinfo=UTC)
    result = Overlap()(CHECK, evidence(train_time_max=moment, eval_time_min=moment))
    assert result.decision == "reject"
    assert "2013-03-01" in result.reason


def test_copied_rows_reject() -> None:
    train, rows = _rows(4000, 0, 10_000), _rows(1000, 1, 10_000)
    assert Overlap()(CHECK, _contents(train, rows)).decision == "pass"
    spoilt = pl.concat([rows.head(960), train.head(40)])
    result = Overlap()(CHECK, _contents(train, spoilt))
    assert result.decision == "reject"
    assert result.value == 0.04


def test_a_few_repeats_are_coincidence() -> None:
    train, rows = _rows(4000, 0, 10_000), _rows(1000, 1, 10_000)
    assert Overlap()(CHECK, _contents(train, pl.concat([rows.head(991), train.head(9)]))).decision == "pass"


def test_few_distinct_values_repeat_honestly() -> None:
    for levels in (3, 20, 60):
        for seed in range(5):
            result = Overlap()(CHECK, _contents(_rows(4000, seed, levels), _rows(1000, seed + 50, levels)))
            assert result.decision == "pass", result.reason
            if levels == 60:
                assert "duplicates explain" in result.reason


def test_copies_are_found_among_honest_repeats() -> None:
    train, rows = _rows(4000, 0, 60), _rows(1000, 1, 60)  # 4,000 rows in 7,200 cells: 4 in 10 repeat honestly
    spoilt = pl.concat([rows.head(700), train.head(300)])
    assert Overlap()(CHECK, _contents(train, spoilt)).decision == "reject"


def test_knowing_nothing_about_the_training_rows_is_inconclusive() -> None:
    result = Overlap()(CHECK, evidence(keys=None, train_keys=None, train_time_max=None))
    assert result.decision == "inconclusive"
