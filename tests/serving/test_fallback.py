"""Who answers when a version fails, fails again, or is not asked any more."""

from __future__ import annotations

from collections.abc import Callable

from detent.records.front import FallbackScore

from .builders import POISON, ROW, World, body, score_of
from .conftest import Local, until

Start = Callable[..., Local]


def test_a_version_that_fails_again_and_again_is_not_asked_and_that_counts_against_it(
    world: World, local: Start
) -> None:
    world.route((7, 10_000), fallback=1, loaded=(1, 7))
    app = local()
    for _ in range(8):
        (line,) = app.predict(ROW).json()["predictions"]
        assert (line["version"], line["fallback"]) == (1, True)
    assert app.counts()[7, "live"] == (8, 8)
    errors = app.log().filter(arm="live")["error"].to_list()
    assert sum("circuit breaker is open (5 calls in a row failed" in error for error in errors) == 3
    metrics = app.ask("GET", "/metrics").text
    assert 'detent_breaker_open{model="flights",version="7"} 1.0' in metrics
    assert 'detent_breaker_opened_total{model="flights",version="7"} 1.0' in metrics
    assert 'arm="breaker"' not in metrics


def test_a_version_that_recovers_is_asked_again(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    for _ in range(5):
        assert app.predict(POISON).status_code == 503
    refused = app.predict(ROW)
    assert refused.status_code == 503
    assert "retry-after" in refused.headers
    until(lambda: app.predict(ROW).status_code == 200, 10.0)
    assert app.predict(ROW).status_code == 200
    assert 'detent_breaker_open{model="flights",version="1"} 0.0' in app.ask("GET", "/metrics").text


def test_one_request_with_many_bad_rows_takes_a_version_from_nobody(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    app.predict(*[POISON] * 200)
    assert app.predict(ROW).json()["predictions"][0]["version"] == 1


def test_a_set_score_answers_what_no_version_can(world: World, local: Start) -> None:
    world.route((7, 10_000), fallback=1, loaded=(1, 7))
    app = local(scores=(("flights", FallbackScore(score=0.5)),))
    first, second = app.predict(ROW, POISON).json()["predictions"]
    assert (first["version"], first["fallback"]) == (1, True)
    assert abs(first["score"] - score_of(1)) < 1e-6
    assert (second["version"], second["score"], second["fallback"]) == (0, 0.5, True)
    log = app.log().filter(id=second["id"])
    assert set(log["served_by"]) == {0}
    assert log.filter(version=0)["score"].to_list() == [0.5]
    assert app.counts()[7, "live"] == (2, 2)


def test_a_set_score_may_depend_on_a_field(world: World, local: Start) -> None:
    world.route((7, 10_000))
    rule = FallbackScore(score=0.1, field="origin", scores=(("JFK", 0.7),))
    app = local(scores=(("flights", rule),))
    lines = app.predict(ROW, {**ROW, "origin": "LGA"}, {**ROW, "origin": None}).json()["predictions"]
    assert [line["score"] for line in lines] == [0.7, 0.1, 0.1]


def test_nothing_is_made_up_for_rows_that_were_not_asked(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local(scores=(("flights", FallbackScore(score=0.5)),))
    late = app.ask("POST", "/v1/models/flights:predict", body(ROW), **{"x-request-timeout-ms": "0"})
    assert late.status_code == 504
