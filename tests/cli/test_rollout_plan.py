from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from detent.cli.rollout_plan import Told, plan_lines
from detent.project.rollout import read_rollout

PLAN = read_rollout(None, ())


def told(plan, rate, failing=0.002):
    typed = Told(rate=True, failing=True)
    return "\n".join(plan_lines(plan, rate=rate, failing=failing, told=typed, labels_within=timedelta(days=7)))


def test_the_plan_says_what_each_stage_sees_and_when_it_ends():
    text = told(PLAN, 100.0)
    assert "every request fails                3 canary requests" in text
    assert "twice the champion's failures" in text
    assert "A version as good as the champion gets all traffic after about 3 h." in text


def test_too_little_traffic_is_told_to_be_a_check_for_disasters_only():
    text = told(PLAN, 0.01)
    assert "At this traffic a rollout ends INCONCLUSIVE: it only catches disasters." in text
    assert "too long for this stage" in text


def test_traffic_of_a_few_requests_is_told_by_the_day():
    assert told(PLAN, 0.0015).startswith(
        "canary: 130 requests per day, 0.20% of the champion's requests fail (as told)"
    )


def test_without_traffic_nothing_is_decided():
    assert "without traffic nothing is ever decided" in told(PLAN, 0.0)


def test_an_experiment_says_how_many_requests_it_will_see():
    trial = replace(PLAN, kind="ab", experiment=replace(PLAN.experiment, lasts=timedelta(days=1)))
    assert "86,400 requests" in told(trial, 1.0)
    assert "NO LABEL COUNTS: monitor.labels_within is 7 days, and rollout.lasts is not longer" in told(trial, 1.0)
    bandit = replace(trial, kind="bandit", experiment=replace(PLAN.experiment, lasts=timedelta(days=14)))
    assert "weights begin to move after 7 days (monitor.labels_within)" in told(bandit, 1.0)


def test_what_was_typed_is_told_apart_from_what_was_logged():
    typed = Told(rate=True, failing=False)
    first = next(plan_lines(PLAN, rate=5.0, failing=0.0, told=typed, labels_within=timedelta(days=7)))
    assert first == "canary: 5 requests per second (as told), 0.00% of the champion's requests fail (lately)"
    assert "harm is reckoned as if 0.10% of them failed" in told(PLAN, 5.0, failing=0.0)
    assert "harm is reckoned as if" not in told(PLAN, 5.0)


def test_a_loss_that_has_to_be_shown_waits_for_labels():
    text = told(replace(PLAN, proof=replace(PLAN.proof, loss=0.01)), 100.0)
    assert "proof of no more loss              not reckoned: it waits for labels, 7 days and more" in text
    assert text.endswith("after about 3 h, or when the labels prove its loss.")


def test_a_plan_without_a_stage_says_that_nothing_is_shown():
    assert "no stage comes before all traffic" in told(replace(PLAN, stages=PLAN.stages[-1:]), 100.0)
