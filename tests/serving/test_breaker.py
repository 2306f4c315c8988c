from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detent.serving.models.breaker import CLOSED, HALF_OPEN, LONGEST_PAUSE, OPEN, Breaker


def fed(outcomes: str, now: float = 0.0) -> Breaker:
    """A breaker after calls: x failed, . succeeded."""
    breaker = Breaker()
    for outcome in outcomes:
        if outcome == "x":
            breaker.failed(now, "ValueError: boom")
        else:
            breaker.succeeded()
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    assert fed("." * 30 + "xxxx").state == CLOSED
    assert fed("xxxx.xxxx").state == CLOSED
    breaker = fed("." * 30 + "xxxxx")
    assert breaker.state == OPEN
    assert breaker.reason == "5 calls in a row failed, the last one: ValueError: boom"


def test_half_of_the_last_twenty_open_it_once_there_are_ten() -> None:
    assert fed("x.x.x.x.x").state == CLOSED
    assert fed("x.x.x.x.x.").state == CLOSED  # judged when a call fails
    assert fed("x.x.x.x.x.x").state == OPEN
    assert fed("." * 10 + "x." * 4).state == CLOSED
    assert fed("." * 20 + "x." * 10 + "x").state == OPEN
    assert fed("." * 20 + "x.." * 40).state == CLOSED


def test_an_open_one_lets_one_call_try_after_a_second() -> None:
    breaker = fed("xxxxx", now=10.0)
    assert not breaker.admits(10.99)
    assert breaker.admits(11.0)
    assert breaker.state == HALF_OPEN
    assert not breaker.admits(11.0)
    breaker.succeeded()
    assert breaker.state == CLOSED
    assert breaker.admits(11.0)


def test_each_failed_try_doubles_the_pause_up_to_thirty_seconds_and_a_good_one_starts_over() -> None:
    breaker, now, pauses = fed("xxxxx"), 0.0, list[float]()
    for _ in range(7):
        pauses.append(breaker.until - now)
        now = breaker.until
        assert breaker.admits(now)
        breaker.failed(now, "again")
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert breaker.admits(breaker.until)
    breaker.succeeded()
    for _ in range(5):
        breaker.failed(500.0, "again")
    assert breaker.until == 501.0


def test_a_try_that_was_not_made_leaves_the_next_asker_to_try() -> None:
    breaker = fed("xxxxx")
    assert breaker.admits(1.0)
    breaker.gave_up()
    assert breaker.state == OPEN
    assert breaker.admits(1.0)


def test_what_calls_that_were_under_way_report_changes_nothing_while_it_is_open() -> None:
    breaker = fed("xxxxx")
    breaker.succeeded()
    breaker.failed(0.5, "late")
    assert (breaker.state, breaker.until) == (OPEN, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 40.0)), max_size=200))
def test_at_most_one_call_is_made_while_it_is_not_closed(steps: list[tuple[bool, float]]) -> None:
    breaker, now, under_way = Breaker(), 0.0, 0
    for good, gap in steps:
        now += gap
        before = breaker.state
        if breaker.admits(now):
            under_way += 1
            assert before == CLOSED or under_way == 1
            if good:
                breaker.succeeded()
            else:
                breaker.failed(now, "x")
            under_way -= 1
        assert breaker.until <= now + LONGEST_PAUSE
