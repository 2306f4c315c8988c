from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent import plugins
from detent.errors import DetentError
from detent.monitor.detect import detect
from detent.monitor.protocol import Reading
from detent.records.profile import ColumnProfile
from detent.statistics.summaries import summarise

SIGNATURE = [
    *((f"x{i}", "number") for i in range(4)),
    ("city", "string"),
    ("late", "boolean"),
    ("prediction", "number"),
]
WINDOW = {"window_start": "2013-03-01T00:00:00.000000+00:00", "window_end": "2013-03-02T00:00:00.000000+00:00"}


def draw(seed, rows):
    rng = np.random.default_rng(seed)
    table: dict = {f"x{i}": rng.normal(size=rows) for i in range(4)}
    table["city"] = rng.choice(["JFK", "LGA", "EWR"], rows, p=[0.5, 0.3, 0.2]).tolist()
    table["late"] = (rng.random(rows) < 0.3).tolist()
    table["prediction"] = rng.random(rows)
    return table


@pytest.fixture(scope="module")
def reference():
    return summarise(draw(0, 10_000), SIGNATURE)


def found(reference, table, **options):
    return detect(reference, summarise(table, SIGNATURE, like=reference), **WINDOW, **options)


def test_a_window_like_the_reference_gives_no_findings(reference):
    assert [found(reference, draw(seed, 300)) for seed in range(1, 21)] == [[]] * 20


def test_a_column_that_moved_is_a_warning_with_its_name_and_numbers(reference):
    table = draw(1, 500)
    table["x1"] = table["x1"] + 0.8
    (finding,) = found(reference, table)
    assert (finding.kind, finding.severity, finding.column, finding.statistic) == ("drift", "WARNING", "x1", "psi")
    assert finding.value > finding.threshold == 0.1
    assert (finding.rows, finding.window_start) == (500, WINDOW["window_start"])
    assert finding.message.startswith("`x1` has moved away from training: PSI 0.")
    assert "500 rows, p < 0.0001" in finding.message


def test_a_change_that_is_certain_but_small_is_only_information(reference):
    table = draw(2, 20_000)
    table["x0"] = table["x0"] + 0.15
    (finding,) = found(reference, table)
    assert (finding.severity, finding.column) == ("INFO", "x0")
    assert "a little" in finding.message


def test_a_large_change_is_information_when_the_threshold_is_higher(reference):
    table = draw(1, 500)
    table["x1"] = table["x1"] + 0.8
    assert found(reference, table, warn=5.0)[0].severity == "INFO"


def test_nulls_alone_are_drift(reference):
    table = draw(3, 400)
    table["x2"] = np.where(np.arange(400) % 10 < 6, np.nan, table["x2"])
    (finding,) = found(reference, table)
    assert (finding.statistic, finding.severity, finding.value) == ("nulls", "WARNING", pytest.approx(0.6))
    assert finding.threshold == pytest.approx(0.02)
    assert "`x2` is missing in 60.0% of rows, 0.0% in training" in finding.message


def test_a_column_that_is_all_null_is_found(reference):
    table = draw(3, 400) | {"x2": [None] * 400, "city": [None] * 400}
    assert {(f.column, f.statistic, f.severity) for f in found(reference, table)} == {
        ("x2", "nulls", "WARNING"),
        ("city", "nulls", "WARNING"),
    }


def test_levels_that_moved_or_were_never_seen_are_found(reference):
    table = draw(4, 400)
    assert [f.column for f in found(reference, table | {"city": ["JFK"] * 400})] == ["city"]
    assert [f.column for f in found(reference, table | {"city": ["BOS"] * 60 + table["city"][60:]})] == ["city"]
    assert found(reference, table | {"city": ["BOS", *table["city"][1:]]}) == []
    assert [f.column for f in found(reference, table | {"late": [True] * 400})] == ["late"]


def test_one_absurd_row_neither_alarms_nor_blinds(reference):
    table = draw(5, 500)
    table["x3"][0] = 1e12
    assert found(reference, table) == []
    table["x3"] = table["x3"] + 1
    assert [f.column for f in found(reference, table)] == ["x3"]


def test_a_model_whose_output_moved_far_is_critical(reference):
    table = draw(6, 400)
    table["prediction"] = table["prediction"] ** 4
    (finding,) = found(reference, table)
    assert (finding.severity, finding.column) == ("CRITICAL", "prediction")
    assert finding.message.startswith("The model's output has moved")


def test_many_inputs_that_moved_far_are_one_critical_finding_about_the_window(reference):
    table = draw(7, 400)
    table["x0"], table["x1"] = table["x0"] + 2, table["x1"] * 4
    first, *rest = found(reference, table)
    assert (first.severity, first.column, first.statistic) == ("CRITICAL", None, "columns")
    assert first.value == pytest.approx(2 / 6)
    assert "2 of 6 inputs" in first.message
    assert "x0, x1" in first.message
    assert [f.severity for f in rest] == ["WARNING", "WARNING"]


def test_fewer_than_fifty_rows_are_never_drift(reference):
    table = {name: [None] * 49 for name, _ in SIGNATURE}
    (finding,) = found(reference, table)
    assert (finding.severity, finding.statistic, finding.value) == ("INFO", "rows", 49)
    assert found(reference, {name: [] for name, _ in SIGNATURE})[0].rows == 0


def test_a_window_over_other_bins_is_refused(reference):
    with pytest.raises(DetentError, match="`x0`"):
        detect(reference, summarise(draw(1, 100), SIGNATURE), **WINDOW)
    with pytest.raises(DetentError, match="`late`"):
        missing = [pair for pair in SIGNATURE if pair[0] != "late"]
        detect(reference, summarise(draw(1, 100), missing, like=reference), **WINDOW)


def test_findings_do_not_depend_on_the_order_of_rows(reference):
    table = draw(8, 400)
    table["x0"] = table["x0"] + 1
    order = np.random.default_rng(0).permutation(400)
    shuffled = {name: [values[i] for i in order] for name, values in table.items()}
    assert found(reference, table) == found(reference, shuffled)


def test_quiet_months_have_almost_no_alarm_days():
    """20 columns, 200 rows a day, 30 days, 6 models without any drift: at most 0.01 alarm days per day are allowed."""
    signature = [(f"c{i}", "number") for i in range(20)]
    alarm_days = 0
    for model in range(6):
        rng = np.random.default_rng(model)
        names = [name for name, _ in signature]
        like = summarise(dict(zip(names, rng.normal(size=(20, 10_000)), strict=True)), signature)
        for _ in range(30):
            window = dict(zip(names, rng.normal(size=(20, 200)), strict=True))
            alarm_days += bool(detect(like, summarise(window, signature, like=like), **WINDOW))
    assert alarm_days <= 6  # expected 1.8 or fewer of 180 days


NUMBERS = st.lists(st.integers(0, 50), min_size=4, max_size=4)


@pytest.mark.parametrize("name", ["psi", "ks", "chi2", "nulls"])
@given(a=NUMBERS, b=NUMBERS, nulls=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_every_detector_obeys_the_laws(name, a, b, nulls):
    detector = plugins.load("detector", name)()
    for kind in detector.kinds:
        number = kind in ("number", "integer")
        edges, levels = ((1.0, 2.0, 3.0), ()) if number else ((), ("a", "b", "c"))
        one, other = (
            ColumnProfile(name="c", kind=kind, edges=edges, levels=levels, counts=tuple(counts), nulls=missing)
            for counts, missing in zip((a, b), nulls, strict=True)
        )
        reading = detector.compare(one, other)
        assert reading.statistic == name
        assert 0 <= reading.p_value <= 1
        assert np.isfinite([reading.value, reading.effect]).all()
        assert reading.effect >= 0
        same = detector.compare(one, one)
        assert same.p_value > 0.99
        assert same.effect == pytest.approx(0)


def test_fifty_rows_are_enough(reference):
    table = draw(9, 50)
    table["x0"] = table["x0"] + 3
    assert [f.column for f in found(reference, table)] == ["x0"]


class Sure:
    """A third party's detector."""

    name = "sure"
    kinds: tuple[str, ...] = ("number",)

    def __init__(self, p_value):
        self.p_value = p_value

    def compare(self, reference, current):
        return Reading(statistic=self.name, value=1.0, p_value=self.p_value, effect=1.0, threshold=0.5)


def test_every_detector_of_a_column_pays_for_having_looked():
    like = summarise({"x": range(100)}, [("x", "number")])
    assert len(detect(like, like, **WINDOW, detectors=[Sure(0.009)])) == 1
    assert len(detect(like, like, **WINDOW, detectors=[Sure(0.009), Sure(1.0)])) == 0
    (finding,) = detect(like, like, **WINDOW, detectors=[Sure(0.004), Sure(1.0)])
    assert (finding.severity, finding.statistic) == ("WARNING", "sure")
