from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detent.monitor.episodes import advance, episode_key
from detent.records.finding import SEVERITIES, Episode, Finding

T0 = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def finding(kind="drift", severity="WARNING", column: str | None = "temp", statistic="psi"):
    return Finding(
        kind=kind, severity=severity, column=column, statistic=statistic, value=0.3, low=None, high=None,
        threshold=0.1, rows=500, window_start="", window_end="", message=f"{kind} of {column or statistic}.",
    )  # fmt: skip


def quality(severity="CRITICAL"):
    return finding("quality", severity, None, "roc_auc")


def play(days, **options):
    """Advance one look per day; return the final open episodes and the alerts of each day."""
    episodes, told = [], []
    for day, findings in enumerate(days):
        episodes, alerts = advance(episodes, findings, T0 + day * DAY, **options)
        told.append(alerts)
    return [episode for episode in episodes if episode.state == "open"], told


def test_an_episode_opens_with_one_alert_and_is_not_repeated():
    episodes, told = play([[finding()]] * 5)
    assert [len(alerts) for alerts in told] == [1, 0, 0, 0, 0]
    (alert,) = told[0]
    assert (alert.key, alert.severity, alert.rise) == ("drift:temp", "WARNING", False)
    assert alert.title == "Data drifts: temp"
    assert alert.text == "drift of temp."
    assert (episodes[0].opened_at, episodes[0].last_seen) == (
        "2013-03-01T00:00:00.000000+00:00",
        "2013-03-05T00:00:00.000000+00:00",
    )


def test_information_opens_nothing():
    assert play([[finding(severity="INFO")]] * 3) == ([], [[], [], []])


def test_a_rise_in_severity_is_told_once_and_a_fall_never():
    severities = ["WARNING", "CRITICAL", "WARNING", "CRITICAL"]
    episodes, told = play([[finding(severity=severity)] for severity in severities])
    assert [len(alerts) for alerts in told] == [1, 1, 0, 0]
    (alert,) = told[1]
    assert (alert.severity, alert.rise, alert.opened_at) == ("CRITICAL", True, "2013-03-01T00:00:00.000000+00:00")
    assert alert.title.startswith("Data drifts, worse than before")
    assert episodes[0].severity == "CRITICAL"


def test_an_episode_closes_after_three_clean_windows_and_a_new_one_is_news():
    episodes, told = play([[finding()], [], [], [finding()], [], [], []])
    assert [len(alerts) for alerts in told] == [1, 0, 0, 0, 0, 0, 0]
    assert episodes == []
    _, told = play([[finding()], [], [], [], [finding()]])
    assert [len(alerts) for alerts in told] == [1, 0, 0, 0, 1]


def test_the_look_that_closes_an_episode_returns_it_once():
    episodes = advance([], [finding()], T0)[0]
    for _ in range(3):
        episodes = advance(episodes, [], T0)[0]
    assert [episode.state for episode in episodes] == ["closed"]
    assert advance(episodes, [], T0)[0] == []


def test_a_kind_that_was_not_looked_for_does_not_come_out_clean():
    _, told = play([[quality()]])
    assert len(told[0]) == 1
    episodes, _ = play([[quality()], [], [], [], []], kinds={"drift"})
    assert [episode.key for episode in episodes] == ["quality:roc_auc"]


def test_a_window_that_could_not_be_judged_does_not_come_out_clean():
    few = finding(severity="INFO", column=None, statistic="rows")
    young = finding("quality", "INFO", None, "maturity")
    episodes, _ = play([[finding(), quality()], *[[few, young]] * 5])
    assert [episode.key for episode in episodes] == ["drift:temp", "quality:roc_auc"]
    episodes, _ = play([[finding(), quality()], *[[few, quality("INFO")]] * 3])
    assert [episode.key for episode in episodes] == ["drift:temp"]


def test_drift_that_opens_while_quality_is_down_is_recorded_but_not_told():
    episodes, told = play([[quality("WARNING")], [finding()], [finding(severity="CRITICAL")]])
    assert [[alert.key for alert in alerts] for alerts in told] == [["quality:roc_auc"], [], ["drift:temp"]]
    assert len(episodes) == 2
    _, told = play([[quality("CRITICAL"), finding(severity="CRITICAL")]])
    assert [alert.key for alert in told[0]] == ["quality:roc_auc"]


def test_quality_that_falls_during_drift_is_told():
    _, told = play([[finding()], [finding(), quality("WARNING")]])
    assert [alert.key for alert in told[1]] == ["quality:roc_auc"]


def test_columns_that_drift_at_once_are_one_alert():
    _, told = play([[finding(column=name) for name in "edcba"]])
    (alert,) = told[0]
    assert alert.key == "drift:5 at once"
    assert alert.title == "Data drifts: a, b, c, d and 1 more"
    assert alert.text.startswith("drift of a. drift of b.")


def test_a_finding_about_most_columns_speaks_for_each_of_them():
    wide = finding(severity="CRITICAL", column=None, statistic="columns")
    episodes, told = play([[wide, finding(column="a"), finding(column="b")]])
    assert [alert.key for alert in told[0]] == ["drift:columns"]
    assert len(episodes) == 3


findings = st.lists(
    st.builds(
        finding,
        st.sampled_from(["drift", "quality", "errors", "third-party"]),
        st.sampled_from(SEVERITIES),
        st.sampled_from(["a", "b", None]),
    ),
    max_size=6,
)


@given(st.lists(findings, max_size=15))
def test_alerts_are_never_more_than_openings_and_rises(days):
    episodes, told, opened = [], 0, 0
    for day, found in enumerate(days):
        before = {episode.key: episode for episode in episodes if episode.state == "open"}
        episodes, alerts = advance(episodes, found, T0 + day * DAY)
        after = {episode.key: episode for episode in episodes}
        assert len(after) == len(episodes)
        changed = [k for k, e in after.items() if k not in before or before[k].severity != e.severity]
        # What was silenced when it opened may be told later, once what explained it is over: once all the same.
        louder = [k for k, e in after.items() if e.told != (before[k].told if k in before else "")]
        assert len(alerts) <= len(louder)
        serious = {episode_key(f) for f in found if f.severity != "INFO"}
        assert serious <= set(after)
        assert all(after[key].clean_windows == 0 for key in serious)
        told, opened = told + len(alerts), opened + len(changed)
        assert told <= opened
        if any(f.kind != "drift" and f.severity == "CRITICAL" and episode_key(f) not in before for f in found):
            assert any(alert.severity == "CRITICAL" for alert in alerts)


@given(findings, st.randoms())
def test_the_order_of_findings_of_different_things_does_not_matter(found, random):
    unique = list({(episode_key(f)): f for f in found}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)
    assert advance([], unique, T0) == advance([], shuffled, T0)


def test_quality_that_just_recovered_silences_nothing():
    good = quality("INFO")
    _, told = play([[quality()], [good], [good], [good, finding()]])
    assert [alert.key for alert in told[3]] == ["drift:temp"]


def test_quality_without_any_value_does_not_come_out_clean():
    episodes, _ = play([[quality()], [], [], [], []])
    assert [episode.key for episode in episodes] == ["quality:roc_auc"]
    assert play([[quality()], *[[quality("INFO")]] * 3])[0] == []


def test_an_episode_that_got_calmer_for_three_windows_may_get_worse_again_and_that_is_news():
    bad, mild = [finding(severity="CRITICAL")], [finding()]
    episodes, told = play([mild, bad, mild, mild, bad, mild, mild, mild, bad])
    assert [len(alerts) for alerts in told] == [1, 1, 0, 0, 0, 0, 0, 0, 1]
    assert told[-1][0].rise
    assert [(episode.severity, episode.told, episode.calmer) for episode in episodes] == [("CRITICAL", "CRITICAL", 0)]
    episodes, _ = play([bad, mild, mild, mild])
    assert [(episode.severity, episode.told) for episode in episodes] == [("WARNING", "WARNING")]


def test_what_was_silenced_is_told_when_its_explanation_is_over_and_it_is_still_there():
    good, down = quality("INFO"), quality("WARNING")
    days = [[down], [down, finding()], [good, finding()], [good, finding()], [good, finding()], [good, finding()]]
    _, told = play(days)
    assert [[alert.key for alert in alerts] for alerts in told] == [["quality:roc_auc"], [], [], [], ["drift:temp"], []]
    assert not told[4][0].rise
    _, told = play([*days[:3], [good], [good], [good], [good]])
    assert sum(len(alerts) for alerts in told) == 1  # gone before anybody had to hear of it


def test_a_monitor_that_does_not_work_and_a_feed_that_is_broken_explain_what_follows():
    stopped = finding("meta", "WARNING", None, "stale")
    _, told = play([[stopped], [finding(), quality("WARNING")], [quality("CRITICAL")]])
    assert [[alert.key for alert in alerts] for alerts in told] == [["meta:stale"], [], ["quality:roc_auc"]]
    _, told = play([[finding("data", "CRITICAL", "temp", "nulls"), finding(severity="WARNING")], [quality("CRITICAL")]])
    assert [[alert.key for alert in alerts] for alerts in told] == [["data:temp"], ["quality:roc_auc"]]


def test_a_slice_is_an_episode_of_its_own():
    jfk = replace(finding(), slice="origin=JFK", version=3)
    episodes, told = play([[jfk], [jfk, replace(finding(), version=3)]])
    assert [episode.key for episode in episodes] == ["drift:temp", "drift:temp[origin=JFK]"]
    assert [[alert.key for alert in alerts] for alerts in told] == [["drift:temp[origin=JFK]"], ["drift:temp"]]
    assert told[0][0].labels == (("kind", "drift"), ("version", "3"))


history = st.lists(
    st.lists(
        st.builds(finding, st.just("errors"), st.sampled_from(SEVERITIES), st.sampled_from(["a", "b"])), max_size=3
    ),
    max_size=14,
)


def one_notification_per_opening_or_rise(days):
    """Nothing silences failures, so each opening and each rise is told, and nothing else is."""
    episodes: list[Episode] = []
    for day, found in enumerate(days):
        before = {episode.key: episode for episode in episodes if episode.state == "open"}
        episodes, alerts = advance(episodes, found, T0 + day * DAY)
        news = set()
        for episode in episodes:
            known = before.get(episode.key)
            worse = known is not None and SEVERITIES.index(episode.severity) > SEVERITIES.index(known.severity)
            if known is None or worse:
                news.add((episode.key, worse))
        told = [(f"errors:{thing}", alert.rise) for alert in alerts for thing in alert.title.split(": ")[1].split(", ")]
        assert sorted(told) == sorted(news)
        assert all(episode.told == episode.severity for episode in episodes)


@given(history)
def test_there_is_one_notification_per_opening_or_rise(days):
    one_notification_per_opening_or_rise(days)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=10_000, deadline=None)
@given(history)
def test_ten_thousand_histories_have_one_notification_per_opening_or_rise(days):
    one_notification_per_opening_or_rise(days)
