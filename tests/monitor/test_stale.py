from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detent.monitor.episodes import advance, episode_key
from detent.monitor.stale import KEY, stale

T0 = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_monitor_is_stale_after_three_windows_and_not_a_moment_before():
    assert stale(T0, DAY, T0 + 3 * DAY - timedelta(microseconds=1)) is None
    found = stale(T0, DAY, T0 + 3 * DAY)
    assert found is not None
    assert (found.kind, found.severity, found.value, found.threshold) == ("meta", "WARNING", 3.0, 3.0)
    assert "2013-03-01 00:00" in found.message
    assert episode_key(found) == KEY


def test_where_nothing_was_ever_served_nothing_is_stale():
    assert stale(None, DAY, T0) is None


def test_a_clock_that_jumped_back_raises_no_alarm():
    assert stale(T0, DAY, T0 - 100 * DAY) is None


def test_how_many_windows_may_be_missed_is_for_the_project_to_say():
    assert stale(T0, DAY, T0 + 3 * DAY, after=7) is None
    assert stale(T0, DAY, T0 + 7 * DAY, after=7) is not None


def test_a_stale_monitor_is_told_once_and_over_when_it_looks_again():
    found = stale(T0, DAY, T0 + 4 * DAY)
    assert found is not None
    episodes, alerts = advance([], [found], T0 + 4 * DAY, kinds=("meta",))
    assert [alert.title for alert in alerts] == ["The monitor does not work: stale"]
    for _ in range(3):
        episodes, alerts = advance(episodes, [], T0 + 5 * DAY, kinds=("meta",))
        assert alerts == []
    assert [episode.state for episode in episodes] == ["closed"]
