from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent import plugins
from detent.errors import DetentError
from detent.monitor.drift.detect import corrected, detect
from detent.monitor.protocol import Reading, Sample
from detent.records.project import DriftPlan
from detent.statistics.layout import Axis, layout_of

from .world import DAILY, MONDAY, PLAN, SIGNATURE, draw, look, reference_of, windows_of


@pytest.fixture(scope="module")
def reference():
    return reference_of(*draw(0, 10_000))


def changed(seed, rows, **columns):
    table, score = draw(seed, rows)
    score = columns.pop("prediction", lambda x: x)(score)
    for name, change in columns.items():
        table[name] = change(table[name])
    return table, score


def test_windows_like_the_reference_give_no_findings(reference):
    assert [look(reference, draw(seed, 300)) for seed in range(1, 21)] == [[]] * 20


def test_a_column_that_moved_is_a_warning_with_its_name_and_numbers(reference):
    (finding,) = look(reference, changed(1, 500, x1=lambda x: x + 0.8), version=3)
    assert (finding.kind, finding.severity, finding.column, finding.version) == ("drift", "WARNING", "x1", 3)
    assert finding.statistic in ("psi", "wasserstein")
    assert finding.value > finding.low >= finding.threshold
    assert (finding.rows, finding.scale, finding.window_start) == (500, 1, MONDAY.isoformat(timespec="microseconds"))
    assert "`x1` has moved away from training: " in finding.message
    assert "(500 rows, p < 0.0001)." in finding.message


def test_a_change_that_is_certain_but_small_is_only_information(reference):
    (finding,) = look(reference, changed(2, 20_000, x0=lambda x: x + 0.1))
    assert (finding.severity, finding.column) == ("INFO", "x0")
    assert "a little" in finding.message


def test_a_large_change_of_a_column_that_the_model_hardly_uses_is_information(reference):
    known = replace(reference, importance=(("x0", 0.9), ("x1", 0.04)))
    table = changed(1, 500, x1=lambda x: x + 0.8)
    (finding,) = look(known, table)
    assert (finding.severity, finding.importance) == ("INFO", 0.04)
    assert finding.message.endswith("It carries 4.0% of the model's decisions.")
    assert look(replace(reference, importance=(("x1", 0.06),)), table)[0].severity == "WARNING"
    assert look(replace(reference, importance=(("x0", 0.9),)), table)[0].severity == "WARNING"  # nobody measured it


def test_the_thresholds_are_the_users(reference):
    table = changed(1, 500, x1=lambda x: x + 0.8)
    assert look(reference, table, plan=DriftPlan(psi=5.0, wasserstein=9.0))[0].severity == "INFO"


def test_nulls_alone_are_drift(reference):
    missing = np.arange(400) % 10 < 6
    (finding,) = look(reference, changed(3, 400, x2=lambda x: np.where(missing, np.nan, x)))
    assert (finding.statistic, finding.severity, finding.value) == ("nulls", "WARNING", pytest.approx(0.6))
    assert 0.5 < finding.low < 0.6
    assert "`x2` is missing in 60.0% of rows, 0.0% in training" in finding.message


def test_a_column_that_is_all_null_is_found(reference):
    table, score = draw(3, 400)
    found = look(reference, (table | {"x2": [None] * 400, "city": [None] * 400}, score))
    assert {(f.column, f.statistic, f.severity) for f in found} == {
        ("x2", "nulls", "WARNING"),
        ("city", "nulls", "WARNING"),
    }


def test_levels_that_moved_or_were_never_seen_are_found(reference):
    table, score = draw(4, 400)
    assert [f.column for f in look(reference, (table | {"city": ["JFK"] * 400}, score))] == ["city"]
    (new,) = look(reference, (table | {"city": ["BOS"] * 20 + table["city"][20:]}, score))
    assert (new.column, new.statistic, new.severity, new.value) == ("city", "novel", "WARNING", 0.05)
    assert "has levels in 5.0% of rows that training did not have" in new.message
    assert look(reference, (table | {"city": ["BOS", *table["city"][1:]]}, score)) == []
    assert [f.column for f in look(reference, (table | {"late": [True] * 400}, score))] == ["late"]


@pytest.mark.parametrize("absurd", [1e6, -1e300, np.inf])
def test_one_absurd_row_on_either_side_neither_alarms_nor_blinds(absurd):
    table, score = draw(0, 10_000)
    table["x3"][17] = absurd
    spoiled = reference_of(table, score)

    def outlier(x):
        return np.append(x[:-1], absurd)

    assert look(spoiled, changed(5, 500, x3=outlier)) == []
    assert [f.column for f in look(spoiled, changed(5, 500, x3=lambda x: outlier(x + 1)))] == ["x3"]


def test_drift_of_the_output_alone_is_never_critical_but_may_be_severe(reference):
    (finding,) = look(reference, changed(6, 400, prediction=lambda p: p**4))
    assert (finding.severity, finding.column, finding.severe) == ("WARNING", "prediction", True)
    assert finding.message.startswith("The model's output has moved")
    (little,) = look(reference, changed(6, 400, prediction=lambda p: p**1.5))
    assert (little.severity, little.severe) == ("WARNING", False)


def test_many_inputs_that_moved_far_are_one_finding_about_the_window(reference):
    first, *rest = look(reference, changed(7, 400, x0=lambda x: x + 2, x1=lambda x: x * 4))
    assert (first.severity, first.column, first.statistic, first.severe) == ("WARNING", None, "columns", True)
    assert first.value == pytest.approx(2 / 6)
    assert "2 of 6 inputs" in first.message
    assert "x0, x1" in first.message
    assert [(f.severity, f.severe) for f in rest] == [("WARNING", False)] * 2


def test_fewer_than_fifty_rows_are_never_drift(reference):
    few = ({name: [None] * 49 for name, _ in SIGNATURE}, [None] * 49)
    (finding,) = look(reference, few)
    assert (finding.severity, finding.statistic, finding.value) == ("INFO", "rows", 49)
    assert look(reference, ({name: [] for name, _ in SIGNATURE}, []))[0].rows == 0
    assert detect(reference, [], budget=DAILY, plan=PLAN) == []


def test_days_with_few_rows_are_looked_at_together(reference):
    days = [changed(seed, 40, x1=lambda x: x + 0.8) for seed in range(7)]
    assert look(reference, *days[:6])[0].statistic == "rows"
    (finding,) = look(reference, *days)
    assert (finding.column, finding.scale, finding.rows) == ("x1", 7, 280)
    assert "(280 rows, 7 windows, p < 0.0001)" in finding.message


def test_a_small_shift_is_found_once_the_week_is_full_and_dated_by_its_first_day(reference):
    quiet = [draw(seed, 500) for seed in range(20, 28)]
    moved = [changed(seed, 500, x2=lambda x: x + 0.15) for seed in range(30, 37)]
    (finding,) = look(reference, *quiet, *moved)
    assert (finding.column, finding.scale) == ("x2", 7)
    assert abs(int(finding.since[8:10]) - (4 + 8)) <= 1
    assert f"since {finding.since[:10]}" in finding.message


def test_a_window_over_other_bins_is_refused(reference):
    other = layout_of({**draw(1, 100)[0], "prediction": draw(1, 100)[1]}, SIGNATURE)
    windows = windows_of(replace(reference, layout=other), draw(1, 100))
    with pytest.raises(DetentError, match="another layout"):
        detect(reference, windows, budget=DAILY, plan=PLAN)


def test_a_masked_column_is_not_looked_at(reference):
    seen = reference.layout.without(["x1"])
    windows = windows_of(replace(reference, layout=seen), changed(1, 500, x1=lambda x: x + 3, x0=lambda x: x + 1))
    found = detect(reference, windows, budget=DAILY, plan=PLAN, layout=seen)
    assert [finding.column for finding in found] == ["x0"]


def test_findings_do_not_depend_on_the_order_of_rows(reference):
    table, score = changed(8, 400, x0=lambda x: x + 1)
    order = np.random.default_rng(0).permutation(400)
    shuffled = {name: [values[i] for i in order] for name, values in table.items()}, score[order]
    assert look(reference, (table, score)) == look(reference, shuffled)


def test_a_note_is_added_to_each_message(reference):
    found = look(reference, changed(1, 500, x1=lambda x: x + 2, x2=lambda x: x + 2), note="Version 3 took traffic.")
    assert len(found) == 3
    assert all(finding.message.endswith(" Version 3 took traffic.") for finding in found)


def test_rows_of_a_day_that_resemble_each_other_are_worth_less(reference):
    table = changed(9, 1000, x0=lambda x: x + 0.2)
    assert [f.column for f in look(reference, table)] == ["x0"]
    assert look(replace(reference, inflation=(("x0", 20.0),)), table) == []
    assert look(replace(reference, inflation=(("x0", 20.0),)), changed(9, 1000, x0=lambda x: x + 2)) != []


NUMBERS = st.lists(st.integers(0, 50), min_size=4, max_size=4)


@pytest.mark.parametrize("name", plugins.names("detector"))
@given(a=NUMBERS, b=NUMBERS, rest=st.lists(st.integers(0, 20), min_size=4, max_size=4))
def test_every_detector_obeys_the_laws(name, a, b, rest):
    detector = plugins.load("detector", name)()
    for kind in detector.kinds:
        number = kind in ("number", "integer")
        axis = Axis(name="c", kind=kind, edges=(1.0, 2.0, 3.0), coarse=(1.0, 2.0, 3.0)) if number else Axis(
            name="c", kind=kind, levels=("a", "b", "c"), others=(7,)
        )  # fmt: skip
        one, other = (
            Sample(bins=np.array(bins, dtype=float), missing=missing, novel=0 if number else novel)
            for bins, missing, novel in zip((a, b), rest[:2], rest[2:], strict=True)
        )
        reading = detector.compare(axis, one, other)
        assert reading.statistic == name
        assert 0 <= reading.p_value <= 1
        assert np.isfinite(reading.value)
        assert detector.compare(axis, one, one).p_value > 0.99


class Sure:
    """A third party's detector."""

    name = "sure"
    kinds: tuple[str, ...] = ("number",)

    def __init__(self, p_value):
        self.p_value = p_value

    def compare(self, axis, reference, current):
        return Reading(statistic=self.name, value=1.0, p_value=self.p_value if axis.name == "x" else 1.0)


def test_every_detector_of_a_column_pays_for_having_looked():
    like = reference_of({"x": list(range(100))}, [0.5] * 100, [("x", "number")])
    same = {"x": list(range(100))}, [0.5] * 100
    level = DAILY.inputs
    assert len(look(like, same, detectors=[Sure(level * 0.9)])) == 1
    assert len(look(like, same, detectors=[Sure(level * 0.9), Sure(1.0)])) == 0
    assert len(look(like, same, detectors=[Sure(level * 0.49), Sure(1.0)])) == 1


def test_each_correction_is_as_strict_as_it_says():
    p_values = [0.001, 0.012, 0.02, 0.9]
    assert corrected(p_values, 0.05, "bh") == [True, True, True, False]
    assert corrected(p_values, 0.05, "by") == [True, True, False, False]
    assert corrected(p_values, 0.05, "bonferroni") == [True, True, False, False]
    assert corrected([0.02], 0.05, "by") == [True]
    assert corrected([], 0.05, "by") == []
