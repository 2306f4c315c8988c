from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from detent.monitor.drift.explain import explained, largest_terms
from detent.monitor.drift.kept import embedding, exact, together
from detent.monitor.drift.samples import columns_of

from .world import draw, look, reference_of, windows_of


@pytest.fixture(scope="module")
def golden():
    """The samples behind the published reference values; the draws must stay in this order."""
    g = np.random.default_rng(42)
    a, b = g.normal(0, 1, 5000), g.normal(0.2, 1.1, 3000)
    ca = g.choice(list("abcd"), 5000, p=[0.4, 0.3, 0.2, 0.1])
    cb = g.choice(list("abcde"), 3000, p=[0.35, 0.3, 0.2, 0.1, 0.05])
    return pl.DataFrame({"n": a, "c": ca}), pl.DataFrame({"n": b, "c": cb})


def test_exact_tests_of_kept_rows_are_the_golden_values(golden):
    number, level = exact(*golden)
    assert number.statistic == pytest.approx(0.10293333333333334, abs=1e-12)
    assert number.p_value == pytest.approx(9.762124037389422e-18, rel=1e-9)
    found = dict(number.distances)
    assert found["wasserstein"] == pytest.approx(0.23167223904905432, abs=1e-12)
    assert found["energy"] == pytest.approx(0.17499776874921022, abs=1e-12)
    assert found["cvm"] == pytest.approx(8.28040104999991, rel=1e-9)
    assert level.statistic == pytest.approx(277.5718422021063, abs=1e-9)
    assert dict(level.distances)["jensen_shannon"] == pytest.approx(0.16648098545301232, abs=1e-9)
    assert dict(level.distances)["l_infinity"] == pytest.approx(0.054333333333333345, abs=1e-12)


def test_columns_without_values_and_columns_of_one_side_are_left_out():
    one = pl.DataFrame({"x": [1.0, None, float("nan")], "gone": [1, 2, 3], "t": ["a", None, "b"]})
    other = pl.DataFrame({"x": [None, None], "t": ["a", "a"], "new": [1, 2]}, schema_overrides={"x": pl.Float64})
    assert [found.column for found in exact(one, other)] == ["t"]


def pairs(seed, rows, correlation):
    rng = np.random.default_rng(seed)
    x, e = rng.normal(size=(2, rows))
    y = correlation * x + np.sqrt(1 - correlation**2) * e
    return pl.DataFrame({"x": x, "y": y, "c": rng.choice(["a", "b", None], rows).tolist()})


def test_columns_that_go_together_differently_are_told_apart_although_each_is_as_before():
    before, after = pairs(1, 1500, 0.0), pairs(2, 600, 0.9)
    assert all(found.p_value > 0.001 for found in exact(before, after))
    found = together(before, after, seed=0)
    assert found is not None
    assert found.apart
    same = together(before, pairs(3, 600, 0.0), seed=0)
    assert same is not None
    assert not same.apart
    assert together(before, after[:9], seed=0) is None
    assert together(before, pl.DataFrame({"z": [1.0] * 20}), seed=0) is None


def test_an_embedding_is_compared_as_a_whole():
    names = ["x", "y"]
    assert embedding(pairs(1, 300, 0.0), pairs(2, 300, 0.95), names, seed=0).p_value < 0.01
    assert embedding(pairs(1, 300, 0.0), pairs(5, 300, 0.0), names, seed=0).p_value > 0.05


def test_a_drifted_input_is_told_by_what_it_did_to_the_score():
    table, score = draw(0, 4000)
    reference = reference_of(table, score)
    live, live_score = draw(1, 500)
    live["x1"] = live["x1"] + 1.0
    findings = look(reference, (live, live_score))
    frames = [pl.DataFrame({name: list(values) for name, values in one.items()}) for one in (table, live)]

    def predict(frame):
        return 0.5 * frame["x1"].to_numpy() + 2 * frame["x0"].to_numpy()

    (told,) = explained(findings, *frames, predict, seed=0)
    assert told.column == "x1"
    assert told.score_shift == pytest.approx(0.5, abs=0.1)
    assert explained(findings, frames[0][:0], frames[1], predict, seed=0) == findings
    failing = explained(findings, *frames, lambda frame: np.full(frame.height, np.nan), seed=0)
    assert failing[0].score_shift is None


def test_the_bins_that_moved_the_most_are_named():
    table, score = draw(0, 4000)
    reference = reference_of(table, score)
    live, live_score = draw(1, 500)
    live["x0"] = live["x0"] + 2.0
    live["city"] = ["EWR"] * 500
    columns = columns_of(reference, reference.layout, windows_of(reference, (live, live_score)), seasonal=False)
    terms = {column.axis.name: largest_terms(column) for column in columns}
    assert terms["x0"][0].cell.startswith("> ")
    assert terms["x0"][0].now > 0.4 > terms["x0"][0].before
    assert len(terms["x0"]) == 5
    assert {term.cell for term in terms["city"]} == {"JFK", "LGA", "EWR"}
    assert terms["city"][0].psi == max(term.psi for term in terms["city"])
    empty = columns_of(reference, reference.layout, windows_of(reference, ({n: [] for n in live}, [])), seasonal=False)
    assert largest_terms(empty[0]) == []
