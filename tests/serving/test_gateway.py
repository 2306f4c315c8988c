from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from detent.predictions.frames import expand_inputs
from detent.records.signature import Signature
from detent.serving.formats.format import Reply
from detent.serving.formats.v1 import V1
from detent.serving.http.paths import Target
from detent.serving.predict.endpoints import Endpoint
from detent.store.clock import VirtualClock

from .builders import NAN, OUTSIDE, POISON, ROW, SIGNATURE, World, body, make_bundle, score_of
from .conftest import Local

Start = Callable[..., Local]


def lines(answer) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def test_an_answer_names_the_model_the_version_and_an_id(world: World, local: Start) -> None:
    world.route((1, 10_000))
    answer = local().predict(ROW)
    assert answer.json()["model"] == "flights"
    (line,) = lines(answer)
    assert line["version"] == 1
    assert line["score"] == pytest.approx(score_of(1))
    assert len(line["id"]) == 40
    assert set(line) == {"id", "version", "score"}


def test_every_answer_is_in_the_log_with_what_led_to_it(world: World, local: Start, tmp_path: Path) -> None:
    noon = datetime(2013, 7, 1, 12, tzinfo=UTC)
    VirtualClock(tmp_path / "clock", start=noon)
    route = world.route((1, 7_500), (2, 2_500))
    app = local(clock_file=tmp_path / "clock")
    more = [{**ROW, "origin": f"caller-{number}"} for number in range(20)]
    answered = lines(app.predict(ROW, {**ROW, "origin": "LGA"}, {"hour": 3, "wet": True}, *more))
    assert {line["version"] for line in answered} == {1, 2}
    log = app.log()
    assert sorted(log["id"]) == sorted(line["id"] for line in answered)
    for line in answered:
        row = log.row(by_predicate=pl.col("id") == line["id"], named=True)
        assert (row["version"], row["served_by"], row["score"]) == (line["version"], line["version"], line["score"])
        assert row["propensity"] == (0.75 if line["version"] == 1 else 0.25)
        assert (row["time"], row["endpoint"], row["route_seq"]) == (noon, "flights", route.seq)
        assert (row["arm"], row["status"], row["error"]) == ("live", "ok", "")
        assert row["service_seconds"] > 0
    assert log.filter(id=answered[1]["id"])["entity"].item() == "LGA"
    assert log.filter(id=answered[2]["id"])["entity"].item() == answered[2]["id"]  # no entity: the prediction itself
    inputs = expand_inputs(log.filter(id=answered[2]["id"]), SIGNATURE)
    assert inputs.row(0, named=True) == {"temp": None, "hour": 3, "origin": None, "wet": True}


def test_a_caller_stays_on_its_arm_and_entities_beside_the_rows_come_first(world: World, local: Start) -> None:
    world.route((1, 5_000), (2, 5_000))
    app = local()
    callers = [f"caller-{number}" for number in range(40)]
    by_field = [line["version"] for line in lines(app.predict(*[{**ROW, "origin": caller} for caller in callers]))]
    by_list = [line["version"] for line in lines(app.predict(*[ROW] * 40, entities=callers))]
    assert by_field == by_list
    assert set(by_field) == {1, 2}


def test_the_next_request_sees_a_new_route(world: World, local: Start) -> None:
    world.route((1, 10_000), loaded=(1, 2))
    app = local()
    assert lines(app.predict(ROW))[0]["version"] == 1
    world.route((2, 10_000), loaded=(1, 2))
    assert lines(app.predict(ROW))[0]["version"] == 2


def test_rows_of_one_request_may_go_to_several_versions_and_come_back_in_order(world: World, local: Start) -> None:
    world.route((1, 5_000), (2, 5_000))
    rows = [{**ROW, "origin": f"caller-{number}"} for number in range(30)]
    answered = lines(local().predict(*rows))
    assert [line["score"] for line in answered] == pytest.approx([score_of(line["version"]) for line in answered])
    assert len({line["id"] for line in answered}) == 30


@pytest.mark.parametrize(("bad", "words"), [(POISON, "model raised"), (NAN, "nan"), (OUTSIDE, "outside 0..1")])
def test_a_poison_row_hurts_no_other_row(world: World, local: Start, bad: dict, words: str) -> None:
    world.route((1, 10_000))
    app = local()
    good, poison, also_good = lines(app.predict(ROW, bad, ROW))
    assert good["score"] == also_good["score"] == pytest.approx(score_of(1))
    assert poison["score"] is None
    assert words in poison["error"]
    row = app.log().row(by_predicate=pl.col("id") == poison["id"], named=True)
    assert (row["status"], row["score"], row["served_by"]) == ("error", None, None)
    assert app.counts() == {(1, "live"): (3, 1)}


def test_a_failed_model_without_a_fallback_is_a_503_without_a_stack_trace(world: World, local: Start) -> None:
    world.route((7, 10_000))
    app = local()
    answer = app.predict(ROW)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert "Traceback" not in answer.text
    assert app.log()["status"].to_list() == ["error"]
    assert app.counts() == {(7, "live"): (1, 1)}


def test_a_fallback_answers_and_the_failure_counts_against_the_version_that_failed(world: World, local: Start) -> None:
    world.route((1, 0), (7, 10_000), fallback=1)
    app = local()
    for line in lines(app.predict(ROW, ROW)):
        assert line["version"] == 1
        assert line["fallback"] is True
        assert line["score"] == pytest.approx(score_of(1))
    assert app.counts() == {(7, "live"): (2, 2)}
    log = app.log()
    failed, stepped_in = log.filter(arm="live"), log.filter(arm="fallback")
    assert failed["score"].to_list() == [None, None]
    assert failed["served_by"].to_list() == [1, 1]
    assert stepped_in["score"].to_list() == pytest.approx([score_of(1)] * 2)
    assert sorted(failed["id"]) == sorted(stepped_in["id"])
    metrics = app.ask("GET", "/metrics").text
    assert 'detent_prediction_fallbacks_total{arm="live",endpoint="flights",version="7"} 2.0' in metrics
    assert 'detent_predictions_total{arm="fallback",endpoint="flights",version="1"} 2.0' in metrics


def test_a_fallback_that_fails_too_is_a_failure(world: World, local: Start) -> None:
    world.route((2, 10_000), fallback=1, loaded=(1, 2))
    app = local()
    assert app.predict(POISON).status_code == 503
    log = app.log()
    assert log.select("arm", "version", "served_by").rows() == [("fallback", 1, None), ("live", 2, None)]


def test_a_version_is_not_its_own_fallback(world: World, local: Start) -> None:
    world.route((1, 10_000), fallback=1)
    app = local()
    assert app.predict(POISON).status_code == 503
    assert app.log()["arm"].to_list() == ["live"]


def test_shadows_see_every_row_and_never_change_the_answer(world: World, local: Start) -> None:
    world.route((1, 10_000), shadows=(2, 7), loaded=(1, 2, 7))
    app = local()
    answered = lines(app.predict(ROW, ROW))
    assert [line["version"] for line in answered] == [1, 1]
    log = app.log()
    shadow = log.filter(arm="shadow", version=2)
    assert sorted(shadow["id"]) == sorted(line["id"] for line in answered)
    assert shadow["score"].to_list() == pytest.approx([score_of(2)] * 2)
    assert log.filter(arm="shadow", version=7)["status"].to_list() == ["error", "error"]
    assert log.filter(arm="live").height == 2
    assert app.counts() == {(1, "live"): (2, 0), (2, "shadow"): (2, 0), (7, "shadow"): (2, 2)}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (8, "may not take traffic"),
        (9, "belongs to the model `boats`"),
        (10, "golden row 0"),
        (99, "not on this machine"),
    ],
)
def test_a_version_that_was_not_admitted_never_answers(world: World, local: Start, number: int, reason: str) -> None:
    world.route((number, 10_000))
    answer = local().predict(ROW)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:detent:problem:not-ready"
    assert reason in answer.json()["detail"]


def test_a_fallback_steps_in_for_a_version_that_was_not_admitted(world: World, local: Start) -> None:
    world.route((1, 5_000), (8, 5_000), fallback=1)
    app = local()
    answered = lines(app.predict(*[{**ROW, "origin": str(number)} for number in range(20)]))
    assert {line["version"] for line in answered} == {1}
    assert {line.get("fallback", False) for line in answered} == {True, False}
    assert app.counts()[8, "live"][0] == app.counts()[8, "live"][1] > 0


def test_a_tampered_model_file_is_refused(world: World, local: Start, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "tampered", 4)
    world.ship(4, folder)
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    world.route((4, 10_000))
    answer = local().predict(ROW)
    assert answer.status_code == 503
    assert "model.onnx" in answer.json()["detail"]


def test_a_bundle_put_in_the_place_of_another_is_refused(world: World, local: Start) -> None:
    index = world.state / "serving" / "versions.json"
    text = json.loads(index.read_text())
    text["flights/2"]["folder"] = text["flights/1"]["folder"]
    index.write_text(json.dumps(text))
    world.route((2, 10_000))
    answer = local().predict(ROW)
    assert "does not hold the registered bundle" in answer.json()["detail"]


def test_a_bundle_of_another_key_is_refused(world: World, local: Start) -> None:
    world.route((1, 10_000))
    answer = local(public_key=bytes(range(32))).predict(ROW)
    assert answer.status_code == 503


def test_a_refused_version_is_taken_once_it_is_repaired(world: World, local: Start, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "mended", 5)
    world.ship(5, folder)
    model = folder / "model.onnx"
    good = model.read_bytes()
    model.write_bytes(good + b"\0")
    world.route((5, 10_000))
    app = local()
    assert app.predict(ROW).status_code == 503
    model.write_bytes(good)
    world.route((5, 10_000))
    app.follow()
    assert lines(app.predict(ROW))[0]["version"] == 5


def test_versions_with_other_inputs_share_an_endpoint(world: World, local: Start, tmp_path: Path) -> None:
    other = Signature(inputs=SIGNATURE.inputs[::-1], output="probability")
    world.ship(6, make_bundle(tmp_path / "six", 6, signature=other))
    world.route((1, 5_000), (6, 5_000), shadows=(2,), loaded=(1, 2, 6))
    app = local()
    answered = lines(app.predict(*[{**ROW, "origin": str(number)} for number in range(20)]))
    assert {line["version"] for line in answered} == {1, 6}
    assert [line["score"] for line in answered] == pytest.approx([score_of(line["version"]) for line in answered])
    assert app.counts()[2, "shadow"] == (20, 0)
    bad = app.predict({**ROW, "tmep": 1})
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["field"] == "inputs[0].tmep"


def test_an_unknown_endpoint_is_a_404_with_a_hint(world: World, local: Start) -> None:
    world.route((1, 10_000))
    answer = local().ask("POST", "/v1/models/fligths:predict", b"{}")
    assert answer.status_code == 404
    assert "did you mean `flights`" in answer.json()["detail"]


@pytest.mark.parametrize("arms", [None, ()])
def test_an_endpoint_at_which_nothing_is_deployed_says_so(world: World, local: Start, arms: tuple | None) -> None:
    if arms is not None:
        world.route(*arms)
    answer = local().predict(ROW)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:detent:problem:not-deployed"


def ask_for(app: Local, version: str, **headers: str):
    named = {"x-detent-version": version, **headers}
    return app.ask("POST", "/v1/models/flights:predict", body(ROW, ROW), **named)


def test_a_tester_names_the_version_and_the_rollout_does_not_see_it(world: World, local: Start) -> None:
    world.route((1, 9_900), (2, 100), shadows=(3,), loaded=(1, 2, 3))
    app = local()
    for version in (1, 2, 3):
        assert {line["version"] for line in lines(ask_for(app, str(version)))} == {version}
    forced = app.log().filter(arm="forced")
    assert sorted(forced["version"]) == [1, 1, 2, 2, 3, 3]
    assert set(forced["propensity"]) == {1.0}
    assert not [key for key in app.counts() if key[1] == "live"]
    assert ask_for(app, "9").status_code == 404
    assert ask_for(app, "two").status_code == 400


def test_only_a_key_for_tests_names_the_version_while_others_answer_too(world: World, local: Start) -> None:
    from detent.serving.pages.keyring import Wish, add, publish
    from detent.store.database import open_database
    from detent.store.migrate import migrate

    world.state.mkdir(parents=True, exist_ok=True)
    db = open_database(world.state / "detent.db")
    migrate(db, ["detent.store"])
    with db.transaction() as tx:
        now = datetime(2026, 1, 5, tzinfo=UTC)
        _, user = add(tx, Wish(name="user", scopes=("predict",)), actor="t", now=now)
        _, tester = add(tx, Wish(name="tester", scopes=("predict", "test")), actor="t", now=now)
    publish(world.state, db)
    world.route((1, 5_000), (2, 5_000))
    app = local()
    assert ask_for(app, "2", authorization=f"Bearer {user}").status_code == 403
    assert ask_for(app, "2", authorization=f"Bearer {tester}").status_code == 200
    world.route((2, 10_000))
    assert ask_for(app, "2", authorization=f"Bearer {user}").status_code == 200  # it would have answered anyway


class _Caller:
    """Holds its request, as connections do."""

    request: object = None

    def answer(self, reply: Reply) -> None:
        assert reply.status == 200


def test_what_an_answered_request_held_is_free_without_the_collector(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()

    async def one_turn() -> list[weakref.ref[_Caller]]:
        callers = [_Caller() for _ in range(3)]
        for caller in callers:
            caller.request = app.worker.parts.hot.ask(Target("flights", V1()), body(ROW), {}, caller.answer)
        await asyncio.sleep(0)
        return [weakref.ref(caller) for caller in callers]

    gc.disable()
    try:
        assert [seen() for seen in app._runner.run(one_turn())] == [None] * 3
    finally:
        gc.enable()


class _Broken(V1):
    """A format that can't write what it has read."""

    def write(self, endpoint: Endpoint, request: object, lines: object) -> Reply:  # type: ignore[override]
        raise ZeroDivisionError


def test_an_answer_that_can_not_be_written_keeps_nobody_else_from_theirs(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local()
    told: list[Reply] = []

    async def one_turn() -> None:
        for target in (Target("flights", V1()), Target("flights", _Broken()), Target("flights", V1())):
            app.worker.parts.hot.ask(target, body(ROW), {}, told.append)
        assert told == []
        await asyncio.sleep(0)

    app._runner.run(one_turn())
    assert [reply.status for reply in told] == [200, 500, 200]


def test_a_log_that_breaks_in_a_way_nobody_foresaw_answers_everybody(
    world: World, local: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.route((1, 10_000))
    app = local()
    monkeypatch.setattr(app.worker.parts.log, "append", lambda *_, **__: 1 / 0)
    assert app.predict(ROW).status_code == 500
    monkeypatch.undo()
    assert app.predict(ROW).status_code == 200


def test_half_a_character_in_a_text_is_a_problem_of_the_caller(world: World, local: Start) -> None:
    world.route((1, 10_000))
    sent = b'{"inputs": [{"temp": 1.0, "hour": 7, "origin": "\\ud800", "wet": false}]}'
    assert local().ask("POST", "/v1/models/flights:predict", sent).status_code in (200, 400, 422)
