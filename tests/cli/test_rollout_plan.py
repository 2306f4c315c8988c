from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from detent.cli.rollout_plan import plan_lines
from detent.project.rollout import read_rollout

PLAN = read_rollout(None, ())


def told(plan, rate, failing=0.002):
    return "\n".join(plan_lines(plan, rate=rate, failing=failing, from_log=False))


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
