"""The errors of a regression model without labels, against the truth and against NannyML's estimates of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detent.errors import DetentError
from detent.monitor.estimate import Unlabelled, judge_promise, promised_by
from detent.monitor.measured import Judgement, Standard
from detent.records.finding import INFO, WARNING
from detent.statistics import dle
from detent.statistics import reference as references
from detent.statistics.granules import Granule, count, empty, total
from detent.statistics.layout import OUTPUT, Layout, layout_of
from detent.statistics.loss_fit import LEAST, fit_loss
from detent.statistics.reference import LossModel, Reference

from .peers.dle_known import KNOWN
from .peers.dle_rows import SHIFTS, Rows, rows

KINDS = [("near", "number"), ("size", "number"), ("kind", "number"), ("other", "number")]
METRICS = ("mae", "rmse")


def made(drawn: Rows) -> tuple[Layout, dict[str, np.ndarray]]:
    columns = {**drawn.inputs, OUTPUT: drawn.said}
    return layout_of(columns, KINDS, output="value"), columns


def fitted(drawn: Rows, metric: str = "mae") -> tuple[Layout, LossModel]:
    layout, columns = made(drawn)
    model = fit_loss(layout, columns, drawn.truth, drawn.said, metric=metric)
    assert model is not None
    return layout, model


def counted(layout: Layout, drawn: Rows) -> Granule:
    return count(layout, drawn.inputs, drawn.said)


REFERENCES = {seed: rows(100 + seed, "same", 3_000) for seed in range(3)}
FITS = {(seed, metric): fitted(REFERENCES[seed], metric) for seed in REFERENCES for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS)
def test_estimates_are_about_as_far_from_the_truth_as_those_of_nannyml(metric: str) -> None:
    ours, theirs, unmoved, apart = [], [], [], []
    for seed in REFERENCES:
        layout, model = FITS[seed, metric]
        for shift in SHIFTS[:-1]:
            window = rows(seed, shift, 1_000)
            truth, known = getattr(window, metric), KNOWN[f"{shift} {seed}"][metric]
            found = dle.outlook(layout, counted(layout, window), model, confidence=0.95)
            ours.append(abs(found.now.value - truth))
            theirs.append(abs(known - truth))
            apart.append(abs(found.now.value - known) / truth)
            unmoved.append(abs(found.then - truth))
    assert np.mean(ours) < 1.15 * np.mean(theirs)
    assert np.mean(ours) < 0.4 * np.mean(unmoved)  # what would be known without any estimate
    assert max(apart) < 0.1


@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_err_more_than_before_with_the_same_inputs_are_invisible(metric: str) -> None:
    layout, model = FITS[0, metric]
    same, turned = rows(0, "same", 1_000), rows(0, "turned", 1_000)
    found = [dle.outlook(layout, counted(layout, window), model, confidence=0.95) for window in (same, turned)]
    assert found[0] == found[1]
    assert getattr(turned, metric) > 1.4 * found[1].now.value


@pytest.mark.parametrize("metric", METRICS)
def test_the_rows_of_the_model_have_the_metric_that_was_measured_on_them(metric: str) -> None:
    drawn = REFERENCES[0]
    layout, model = FITS[0, metric]
    found = dle.outlook(layout, counted(layout, drawn), model, confidence=0.95)
    gaps = drawn.truth - drawn.said
    measured = np.abs(gaps).mean() if metric == "mae" else np.sqrt((gaps**2).mean())
    assert found.then == pytest.approx(measured, rel=1e-12)
    assert found.now.value == pytest.approx(measured, rel=1e-5)
    assert found.now.low < measured < found.now.high
    assert found.worse.low < 0.0 < found.worse.high


def test_intervals_hold_the_true_error_and_are_wider_when_fewer_rows_told_the_model() -> None:
    held, widths = [], {}
    for size in (500, 2_000):
        for seed in range(12):
            layout, model = fitted(rows(300 + seed, "same", size))
            window = rows(400 + seed, "same", 1_000)
            now = dle.outlook(layout, counted(layout, window), model, confidence=0.95).now
            held.append(now.low < window.mae < now.high)
            widths.setdefault(size, []).append(now.high - now.low)
    assert sum(held) >= 21  # of 24
    assert np.mean(widths[500]) > 1.5 * np.mean(widths[2_000])


def test_counts_of_seven_processes_say_what_the_rows_one_by_one_do() -> None:
    layout, model = FITS[1, "mae"]
    window = rows(1, "both", 2_000)
    cuts = np.array_split(np.arange(2_000), 7)
    parts = [count(layout, {k: v[cut] for k, v in window.inputs.items()}, window.said[cut]) for cut in cuts]
    found = dle.outlook(layout, total(parts), model, confidence=0.95)
    by_row = np.full(2_000, model.base)
    for term in model.terms:
        axis = layout.axis(term.name)
        assert axis is not None
        values = window.said if term.name == OUTPUT else window.inputs[term.name]
        cells = np.searchsorted(np.asarray(axis.edges), values, side="left")
        by_row += np.asarray(term.adds)[dle.grouped_cells(axis)[cells]]
    assert found.now.value == pytest.approx(by_row.mean(), rel=1e-12)


def test_the_same_rows_give_the_same_model_and_its_bytes_come_back() -> None:
    layout, model = FITS[0, "rmse"]
    assert fitted(REFERENCES[0], "rmse")[1] == model
    plain = Reference(layout=layout, inputs=empty(layout), scores=counted(layout, REFERENCES[0]))
    kept = replace(plain, losses=(model,))
    assert references.from_bytes(references.to_bytes(kept)).loss_model("rmse") == model
    assert b'"losses"' not in references.to_bytes(plain)  # as references were before there were loss models
    assert references.from_bytes(references.to_bytes(plain)).losses == ()


def test_an_input_that_nobody_counted_is_taken_to_look_as_before() -> None:
    layout, model = FITS[0, "mae"]
    window = rows(0, "size", 1_000)
    whole = dle.outlook(layout, counted(layout, window), model, confidence=0.95)
    masked = layout.without(["size"])
    blind = dle.outlook(masked, counted(masked, window), model, confidence=0.95)
    assert whole.worse.low > 0.05
    assert abs(blind.worse.value) < 0.05


@pytest.mark.parametrize("metric", METRICS)
def test_values_that_are_all_the_same_leave_nothing_to_tell(metric: str) -> None:
    drawn = rows(0, "same", 1_000)
    level = replace(drawn, said=np.full(1_000, 3.0), inputs={name: np.zeros(1_000) for name in drawn.inputs})
    layout, model = fitted(level, metric)
    assert model.terms == ()
    found = dle.outlook(layout, counted(layout, level), model, confidence=0.95)
    assert found.now.value == found.then
    perfect = replace(drawn, truth=drawn.said)
    layout, model = fitted(perfect, metric)
    assert (model.base, model.terms) == (0.0, ())
    assert dle.outlook(layout, counted(layout, perfect), model, confidence=0.95).now.high == 0.0


def test_too_few_rows_and_errors_without_end_have_no_model() -> None:
    drawn = rows(0, "same", LEAST - 1)
    layout, columns = made(drawn)
    assert fit_loss(layout, columns, drawn.truth, drawn.said, metric="mae") is None
    assert fit_loss(layout, {}, np.empty(0), np.empty(0), metric="mae") is None
    drawn = rows(0, "same", 500)
    layout, columns = made(drawn)
    for monstrous in (np.inf, np.nan, 1e200):
        truth = np.where(np.arange(500) == 7, monstrous, drawn.truth)
        assert fit_loss(layout, columns, truth, drawn.said, metric="rmse") is None


def test_a_metric_that_is_no_mean_is_refused() -> None:
    layout, columns = made(REFERENCES[0])
    with pytest.raises(DetentError, match="r2 can't be estimated without labels"):
        fit_loss(layout, columns, REFERENCES[0].truth, REFERENCES[0].said, metric="r2")


def test_missing_values_and_levels_are_kinds_of_rows_like_others() -> None:
    g = np.random.default_rng(3)
    missing, level = g.random(2_000) < 0.2, g.choice(["a", "b", "c"], 2_000)
    spread = np.where(missing, 3.0, 1.0) + (level == "c")
    truth = spread * g.normal(size=2_000)
    inputs = {"x": np.where(missing, np.nan, g.normal(size=2_000)), "level": level.tolist()}
    layout = layout_of({**inputs, OUTPUT: np.zeros(2_000)}, [("x", "number"), ("level", "string")], output="value")
    model = fit_loss(layout, {**inputs, OUTPUT: np.zeros(2_000)}, truth, np.zeros(2_000), metric="mae")
    assert model is not None
    assert {term.name for term in model.terms} == {"x", "level"}
    gone = count(layout, {"x": [float("nan")] * 500, "level": ["c"] * 500}, np.zeros(500))
    assert dle.outlook(layout, gone, model, confidence=0.95).now.value == pytest.approx(4.0 * 0.798, rel=0.1)
    new = count(layout, {"x": [0.0] * 500, "level": ["d"] * 500}, np.zeros(500))
    assert dle.unseen(layout, new, model) == ("level", 1.0)


def test_no_rows_say_nothing_and_fail_nothing() -> None:
    layout, model = FITS[0, "mae"]
    found = dle.outlook(layout, empty(layout), model, confidence=0.95)
    assert found.now.value == found.then


def judged(window: Rows, *, metric: str = "mae", masked: tuple[str, ...] = (), seed: int = 0) -> Judgement:
    layout, model = FITS[seed, metric]
    reference = Reference(layout=layout, inputs=empty(layout), scores=empty(layout), losses=(model,))
    counts_of = layout.without(masked)
    seen = Unlabelled(
        version=3, start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z", layout=counts_of,
        counts=counted(counts_of, window), calibrated_days=5.0, checked_days=None,
    )  # fmt: skip
    standard = Standard(metric=metric, floor=0.1, at_gate=None, alpha=0.0015)
    return judge_promise(seen, reference, standard)


@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_err_more_are_a_warning_and_never_more_whatever_the_floor(metric: str) -> None:
    (finding,) = judged(rows(0, "size", 1_000), metric=metric).findings
    assert (finding.kind, finding.severity, finding.statistic) == ("estimate", WARNING, metric)
    assert finding.low is not None
    assert finding.threshold is not None
    assert finding.threshold < finding.value
    for words in ("by the inputs and values of 1,000 answers", "can't be seen this way", "learned 5 days ago"):
        assert words in finding.message


def test_rows_as_before_or_easier_ones_raise_nothing() -> None:
    easier = rows(0, "same", 1_000)
    easier = replace(easier, inputs={**easier.inputs, "size": easier.inputs["size"] * 0.5})
    for window in (rows(0, "same", 1_000), easier):
        (finding,) = judged(window).findings
        assert finding.severity == INFO
    assert judged(easier).estimates[0].value < judged(rows(0, "same", 1_000)).estimates[0].value


def test_what_the_log_masks_and_what_nobody_has_seen_is_said() -> None:
    window = rows(0, "same", 1_000)
    assert "The log masks size" in judged(window, masked=("size",)).findings[0].message
    gone = replace(window, inputs={**window.inputs, "kind": np.full(1_000, np.nan)})
    assert "100% of `kind` is of a kind whose errors nobody has seen" in judged(gone).findings[0].message


def test_few_rows_other_metrics_and_older_bundles_say_nothing() -> None:
    assert judged(rows(0, "size", 199)).findings == ()
    layout, model = FITS[0, "mae"]
    plain = Reference(layout=layout, inputs=empty(layout), scores=empty(layout))
    assert not promised_by(plain, "mae")
    assert not promised_by(replace(plain, losses=(model,)), "rmse")
    assert promised_by(replace(plain, losses=(model,)), "mae")


def alarms(models: int, windows: int, size: int) -> float:
    """Return the share of healthy windows with a WARNING, each model fitted on rows of its own."""
    found = 0
    for seed in range(models):
        for metric in METRICS:
            FITS[seed, metric] = FITS.get((seed, metric)) or fitted(rows(100 + seed, "same", 1_000), metric)
            for number in range(windows):
                window = rows(1_000 * (seed + 1) + number, "same", size)
                found += judged(window, metric=metric, seed=seed).findings[0].severity != INFO
    return found / (models * windows * len(METRICS))


def test_healthy_windows_are_quiet() -> None:
    assert alarms(models=3, windows=10, size=300) == 0.0


@pytest.mark.slow
def test_healthy_windows_alarm_no_more_often_than_was_asked_for() -> None:
    assert alarms(models=40, windows=50, size=300) <= 0.0015
