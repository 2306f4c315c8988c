from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detent.monitor.broken import data_findings
from detent.statistics.granules import count

from .world import DAY, MONDAY, draw, reference_of

SPAN = (MONDAY, MONDAY + DAY)


@pytest.fixture(scope="module")
def reference():
    return reference_of(*draw(0, 5000))


def found(reference, rows=300, **columns):
    table, score = draw(1, rows)
    granule = count(reference.layout, table | columns, score)
    return [(f.column, f.severity, f.statistic) for f in data_findings(reference, granule, SPAN)]


def test_a_window_as_usual_is_not_broken(reference):
    assert found(reference) == []
    assert found(reference, x0=np.random.default_rng(2).normal(5, 1, 300)) == []  # different is not broken


def test_an_input_that_is_missing_in_every_row_is_critical(reference):
    assert found(reference, x0=[None] * 300) == [("x0", "CRITICAL", "missing")]
    assert found(reference, x0=[np.nan] * 300, city=[None] * 300) == [
        ("x0", "CRITICAL", "missing"),
        ("city", "CRITICAL", "missing"),
    ]
    assert found(reference, x0=[None] * 299 + [0.1]) == [("x0", "CRITICAL", "constant")]


def test_an_input_that_is_stuck_is_critical(reference):
    assert found(reference, x1=[0.25] * 300) == [("x1", "CRITICAL", "constant")]
    assert found(reference, city=["JFK"] * 300) == [("city", "CRITICAL", "constant")]
    assert found(reference, city=["BOS"] * 300) == [("city", "CRITICAL", "constant")]
    assert found(reference, late=[False] * 300) == [("late", "CRITICAL", "constant")]


def test_what_training_was_like_too_is_not_broken():
    table, score = draw(0, 5000)
    table["x0"], table["x1"], table["late"] = [None] * 5000, [7.0] * 5000, [False] * 4995 + [True] * 5
    table["x2"] = np.where(np.arange(5000) % 20 == 0, table["x2"], np.nan)
    like = reference_of(table, score)
    assert found(like, 60, x0=[None] * 60, x1=[7.0] * 60, late=[False] * 60, x2=[None] * 60) == []


def test_a_stuck_value_is_told_by_rows_that_are_worth_something(reference):
    assert found(replace(reference, inflation=(("late", 20.0),)), late=[False] * 300) == []


def test_values_of_another_type_are_a_warning(reference):
    text = ["n/a"] * 30 + list(np.random.default_rng(3).normal(size=270))
    assert found(reference, x3=text) == [("x3", "WARNING", "type")]
    endless = np.append(np.full(3, np.inf), np.random.default_rng(3).normal(size=297))
    assert found(reference, x3=endless) == [("x3", "WARNING", "type")]
    assert found(reference, x3=[np.inf, *draw(5, 299)[0]["x3"]]) == []


def test_few_rows_are_not_judged(reference):
    assert found(reference, 49, x0=[None] * 49) == []


def test_the_finding_says_what_happened(reference):
    granule = count(reference.layout, draw(1, 300)[0] | {"x0": [None] * 300}, [0.5] * 300)
    (finding,) = data_findings(reference, granule, SPAN, version=4)
    assert finding.message == "`x0` is missing in every row, and was in 0.0% of training."
    assert (finding.kind, finding.rows, finding.version, finding.value) == ("data", 300, 4, 1.0)
