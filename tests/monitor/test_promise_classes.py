"""A window of several classes without labels: NannyML's numbers, and what is said of them."""

from __future__ import annotations

import pytest

from detent.monitor.estimate import Unlabelled, judge_promise, promised_by
from detent.monitor.measured import Judgement, Standard
from detent.records.finding import INFO, WARNING
from detent.statistics import cbpe
from detent.statistics.cbpe_classes import add_up, fit_chances
from detent.statistics.granules import count, empty
from detent.statistics.layout import OUTPUT, layout_of
from detent.statistics.reference import Reference

from .peers.cbpe_classes_known import KNOWN
from .peers.class_rows import rows


def made(seed: int = 0) -> Reference:
    """Return the reference of a model, from as many rows as NannyML was given."""
    known = rows(100 + seed, "same", 3_000)
    layout = layout_of({OUTPUT: known.score.max(axis=1)}, [], output="probabilities")
    chances = fit_chances(known.truth.astype(float), known.score)
    return Reference(layout=layout, inputs=empty(layout), scores=empty(layout), chances=chances)


REFERENCE = made()


def judged(shift: str, metric: str, *, size: int = 1_000, alpha: float = 0.0015) -> Judgement:
    score = rows(0, shift, size).score
    layout = cbpe.scores_layout(REFERENCE.layout)
    assert REFERENCE.chances is not None
    window = Unlabelled(
        version=2, start="2026-03-02T00:00:00Z", end="2026-03-03T00:00:00Z", layout=layout,
        counts=count(layout, {}, score.max(axis=1)), calibrated_days=12.0, checked_days=None,
        classes=add_up(score, REFERENCE.chances),
    )  # fmt: skip
    return judge_promise(window, REFERENCE, Standard(metric=metric, floor=0.99, at_gate=None, alpha=alpha))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_numbers_are_those_of_nannyml(seed: int) -> None:
    reference = made(seed)
    assert reference.chances is not None
    for name, known in KNOWN.items():
        shift, its_seed = name.split()
        if int(its_seed) == seed:
            found = add_up(rows(seed, shift, 1_000).score, reference.chances)
            assert {metric: float(found.values(metric)[0]) for metric in known} == pytest.approx(known, abs=1e-12)


def test_the_promise_of_harder_rows_is_near_the_truth() -> None:
    apart, unmoved = [], []
    for seed in (0, 1):
        chances, window = made(seed).chances, rows(seed, "harder", 1_000)
        assert chances is not None
        then = chances.expected("accuracy")
        assert then is not None
        apart.append(abs(add_up(window.score, chances).values("accuracy")[0] - window.accuracy))
        unmoved.append(abs(then.value - window.accuracy))
    assert max(apart) < 0.01
    assert min(unmoved) > 0.16


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss", "top_2"])
def test_harder_rows_are_a_warning_and_never_more(metric: str) -> None:
    (finding,) = judged("harder", metric).findings
    assert (finding.kind, finding.severity, finding.statistic, finding.version) == ("estimate", WARNING, metric, 2)
    assert finding.low is not None
    assert finding.high is not None
    assert finding.low < finding.value < finding.high
    assert "by the calibrated scores of 1,000 answers of version 2, without labels" in finding.message
    assert "A change of what the inputs mean can't be seen this way." in finding.message
    assert "The scores were calibrated 12 days ago. No label has confirmed it yet." in finding.message
    (estimate,) = judged("harder", metric).estimates
    assert (estimate.labelled, estimate.method) == (0, "promised")


@pytest.mark.parametrize("shift", ["same", "turned"])
def test_a_world_that_turned_looks_as_before(shift: str) -> None:
    (finding,) = judged(shift, "accuracy").findings
    assert finding.severity == INFO
    assert finding.value == pytest.approx(KNOWN["same 0"]["accuracy"])


def test_few_rows_and_metrics_that_nothing_promises_are_left_out() -> None:
    assert judged("harder", "accuracy", size=150).findings == ()
    assert judged("harder", "roc_auc_ovr").findings == ()
    assert promised_by(REFERENCE, "recall_macro")
    assert not promised_by(REFERENCE, "roc_auc")


def test_answers_beyond_those_that_were_calibrated_are_named() -> None:
    layout = cbpe.scores_layout(REFERENCE.layout)
    score = rows(0, "same", 400).score
    score[:40] = [0.9999999, 2.5e-8, 2.5e-8, 2.5e-8, 2.5e-8]
    assert REFERENCE.chances is not None
    window = Unlabelled(
        version=1, start="2026-03-02T00:00:00Z", end="2026-03-03T00:00:00Z", layout=layout,
        counts=count(layout, {}, score.max(axis=1)), calibrated_days=None, checked_days=3.0,
        classes=add_up(score, REFERENCE.chances),
    )  # fmt: skip
    standard = Standard(metric="accuracy", floor=None, at_gate=None, alpha=0.0015)
    (finding,) = judge_promise(window, REFERENCE, standard).findings
    assert "11% of the scores lie beyond those that the calibration saw." in finding.message
