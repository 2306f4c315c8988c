from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from detent.trigger.schedule import checked, due

from .cases import DAY, HOUR, MONDAY, PLAN, QUIET, ask


@pytest.mark.parametrize(
    ("last", "now", "is_due"),
    [
        (MONDAY - HOUR, MONDAY, True),  # the moment itself counts
        (MONDAY, MONDAY + HOUR, False),  # and counts once
        (MONDAY - HOUR, MONDAY - timedelta(seconds=1), False),
        (MONDAY - 30 * DAY, MONDAY - DAY, True),
        (None, MONDAY, False),  # the first look ever only starts the watch
        (MONDAY + DAY, MONDAY, False),  # a clock that was set back
    ],
)
def test_a_time_is_due_once(last, now, is_due):
    state = replace(QUIET, last_cron_check=last)
    assert (due(PLAN, state, now) is not None) == is_due
    found = ask(state=state, now=now)
    assert (found.action == "retrain") == is_due
    assert ("`0 3 * * 1` was due at 20" in found.reason) == is_due


def test_a_time_that_a_guard_held_back_stays_due_and_a_training_settles_it():
    state, now = replace(QUIET, last_cron_check=MONDAY - HOUR), MONDAY + HOUR
    assert checked(PLAN, state, now, trains=False) == MONDAY - HOUR
    assert checked(PLAN, state, now, trains=True) == now
    assert checked(PLAN, replace(state, last_cron_check=MONDAY), now, trains=False) == now
    assert checked(PLAN, replace(state, last_cron_check=None), now, trains=False) == now


def test_a_clock_that_was_set_back_makes_no_old_time_due_again():
    state = replace(QUIET, last_cron_check=MONDAY + DAY)
    assert checked(PLAN, state, MONDAY - 30 * DAY, trains=True) == MONDAY + DAY


def test_times_are_utc_so_days_of_23_or_25_hours_change_nothing():
    spring = MONDAY.replace(month=3, day=10)  # New York's clocks go forward
    plan, state = replace(PLAN, cron="0 7 * * *"), replace(QUIET, last_cron_check=spring - DAY)
    fires = []
    for hour in range(72):
        now = spring - DAY + hour * HOUR
        if due(plan, state, now) is not None:
            fires.append(now.hour)
        state = replace(state, last_cron_check=checked(plan, state, now, trains=True))
    assert fires == [7, 7, 7]
