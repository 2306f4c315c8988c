from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from detent.loop.releases.counting import Counting, slowest_twentieth
from detent.records.rollout import Bad, Rollout
from detent.records.route import Arm

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def rollout(**changed):
    values = {
        "id": "shop-1", "model": "m", "endpoint": "shop", "candidate": 2, "champion": 1, "stage": 0,
        "stage_since": T0.isoformat(), "started_at": T0.isoformat(), "state": "running", "reason": "",
        "slow": 0.02, "slower": 0.005,
    }  # fmt: skip
    return Rollout(**{**values, **changed})


def rows(*entries):
    """Make rows of (minute, entity, version, propensity, status, seconds), and the route in force if there is one."""
    return pl.DataFrame(
        [
            {
                "id": f"{number}",
                "time": T0 + timedelta(minutes=entry[0]),
                "endpoint": "shop",
                "route_seq": entry[6] if len(entry) > 6 else 1,
                "version": entry[2],
                "arm": "live",
                "propensity": entry[3],
                "entity": entry[1],
                "status": entry[4],
                "service_seconds": entry[5],
            }
            for number, entry in enumerate(entries)
        ],
        schema_overrides={"time": pl.Datetime("us", "UTC"), "propensity": pl.Float64()},
    )


def count(frame, **changed):
    counting = Counting(rollout(**changed))
    counting.begin_stage(T0.isoformat())
    counting.add(frame)
    return counting


def test_rows_are_counted_by_the_weight_that_was_logged_with_them():
    found = count(
        rows(
            (0, "a", 2, 0.05, "ok", 0.001),
            (1, "b", 1, 0.95, "error", 0.001),
            (2, "c", 2, 0.5, "error", 0.03),
            (3, "d", 1, 0.5, "ok", 0.006),
            (4, "e", 1, 1.0, "error", 0.001),  # before the rollout's route: nobody could have got the candidate
            (5, "f", 7, 0.5, "error", 0.001),  # a version that is not compared
        )
    ).tallies()
    assert [tally.weight for tally in found] == [500.0, 5000.0]
    low, high = found
    assert (low.candidate.requests, low.candidate.failures) == (1, Bad())
    assert (low.champion.requests, low.champion.failures) == (1, Bad(events=1, independent=1))
    assert (high.candidate.failures, high.candidate.slow) == (
        Bad(events=1, independent=1),
        Bad(events=1, independent=1),
    )
    assert high.champion.slower == Bad(events=1, independent=1)
    assert high.champion.slow == Bad()


def test_of_one_callers_bad_events_one_in_ten_minutes_enters_the_test():
    failing = rows(*((minute, "loud", 2, 0.5, "error", 0.001) for minute in range(25)))
    (tally,) = count(failing).tallies()
    assert tally.candidate.failures == Bad(events=25, independent=3)


def test_counting_in_pieces_is_counting_at_once():
    rng = np.random.default_rng(1)
    frame = rows(
        *(
            (int(n), f"c{rng.integers(50)}", *((2, 0.25) if rng.random() < 0.25 else (1, 0.75)),
             "error" if rng.random() < 0.2 else "ok", float(rng.exponential(0.004)))
            for n in range(400)
        )
    )  # fmt: skip
    pieces = count(frame.head(130))
    pieces.add(frame.slice(130, 1))
    pieces.add(frame.slice(131))
    assert pieces.tallies() == count(frame).tallies()
    assert pieces.entities(T0.isoformat()) == count(frame).entities(T0.isoformat())


def test_an_entity_is_one_draw_of_the_split_and_counts_once():
    (tally,) = count(rows(*((m, "a" if m else "b", 2, 0.5, "ok", 0.0) for m in range(9)))).tallies()
    assert (tally.candidate.requests, tally.candidate.entities) == (9, 2)


def test_callers_are_counted_from_the_beginning_of_the_stage():
    counting = count(rows((0, "a", 2, 0.05, "ok", 0.0), (0, "b", 2, 0.05, "ok", 0.0)))
    assert counting.entities(T0.isoformat()) == 2
    later = (T0 + timedelta(hours=1)).isoformat()
    counting.begin_stage(later)
    counting.add(rows((61, "a", 2, 0.25, "ok", 0.0)))
    assert counting.entities(later) == 1


def test_each_rival_of_a_bandit_is_compared_with_the_champion_at_their_own_weight():
    arms = (Arm(version=1, weight=5000), Arm(version=2, weight=3000), Arm(version=3, weight=2000))
    found = count(
        rows(
            (0, "a", 1, 0.5, "error", 0.0),
            (1, "b", 2, 0.3, "ok", 0.0),
            (2, "c", 3, 0.2, "error", 0.0),
        ),
        arms=arms,
    ).tallies()
    assert [(tally.version, tally.weight) for tally in found] == [(2, 3750.0), (3, 2857.1429)]
    assert all(tally.champion.failures.events == 1 for tally in found)
    assert [tally.candidate.failures.events for tally in found] == [0, 1]


def test_routes_of_two_hosts_that_have_the_same_number_are_told_apart():
    """Each host numbers the routes that it follows: number 1 may have other weights there."""
    arms = tuple(Arm(version=number, weight=weight) for number, weight in ((1, 5000), (2, 3000), (3, 2000)))
    here = [(0, "a", 1, 0.5, "ok", 0.0), (1, "b", 2, 0.3, "ok", 0.0), (2, "c", 3, 0.2, "ok", 0.0)]
    there = [(3, "d", 1, 0.2, "ok", 0.0), (4, "e", 2, 0.2, "ok", 0.0), (5, "f", 3, 0.6, "ok", 0.0)]
    ids = [f"{number:016x}{site << 10 | 1:04x}{number:020x}" for site in (1, 2) for number in range(3)]
    found = count(rows(*here, *there).with_columns(id=pl.Series(ids)), arms=arms).tallies()
    assert [(tally.version, tally.weight) for tally in found] == [(2, 3750.0), (2, 5000.0), (3, 2857.1429), (3, 7500.0)]
    assert all(tally.candidate.requests == tally.champion.requests == 1 for tally in found)


def test_the_champions_p95_needs_enough_answers():
    frame = rows(*((n, f"{n}", 1, 1.0, "ok", n / 1000) for n in range(1, 101)))
    assert slowest_twentieth(frame, endpoint="shop", version=1, least=200) is None
    assert slowest_twentieth(frame, endpoint="shop", version=1, least=50) == 0.096
