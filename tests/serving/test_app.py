from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detent.errors import BusyError, StoreError
from detent.serving.http.paths import PUBLIC, ROUTES, match

from .builders import ROW, World, body
from .conftest import Local

Start = Callable[..., Local]
PREDICT = "/v1/models/flights:predict"
OPEN = {"/healthz", "/readyz", "/ping", "/health", "/v2/health/live", "/v2/health/ready"}


@pytest.fixture
def app(world: World, local: Start) -> Local:
    world.route((1, 10_000))
    return local()


def test_every_route_has_a_rule_and_only_health_is_open(world: World, local: Start) -> None:
    world.route((1, 10_000))
    app = local(api_key_digest=hashlib.sha256(b"secret").hexdigest())
    for rule in ROUTES:
        path = rule.path.replace("{endpoint}", "flights").replace("{version}", "1")
        assert match(rule.method, path)[0] is rule
        open_to_all = app.ask(rule.method, path, body(ROW)).status_code != 401
        assert open_to_all == (rule.access == PUBLIC) == (rule.path in OPEN), rule
        for wrong in ("Bearer wrong", "secret", "Basic secret", "Bearer ", "Bearer secret2"):
            refused = app.ask(rule.method, path, body(ROW), authorization=wrong).status_code
            assert (refused == 401) == (rule.access != PUBLIC), rule
        assert app.ask(rule.method, path, body(ROW), authorization="Bearer secret").status_code in (200, 422, 503)
    guarded = sum(rule.access != PUBLIC for rule in ROUTES)
    assert app.numbers()[0]["unauthorised"] == 6 * guarded


def test_a_refused_caller_is_told_how_to_authorise(world: World, local: Start) -> None:
    answer = local(api_key_digest="0" * 64).ask("POST", PREDICT, body(ROW))
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:detent:problem:unauthorised"


def test_health_and_readiness(world: World, local: Start) -> None:
    app = local()
    assert app.ask("GET", "/healthz").status_code == 200
    waiting = app.ask("GET", "/readyz")
    assert (waiting.status_code, waiting.json()["missing"]) == (503, ["flights"])
    world.route((8, 10_000))
    app.follow()
    assert app.ask("GET", "/readyz").status_code == 503
    world.route((1, 10_000))
    app.follow()
    assert app.ask("GET", "/readyz").json() == {"status": "ready", "missing": []}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("POST", "/v1/models/flights", 404),
        ("POST", "/v1/models/:predict", 404),
        ("POST", "/v1/models/" + "x" * 5_000 + ":predict", 404),
        ("GET", PREDICT, 405),
        ("DELETE", "/feedback", 405),
        ("POST", "/metrics", 405),
    ],
)
def test_what_is_not_there_is_a_problem_of_the_caller(app: Local, method: str, path: str, status: int) -> None:
    answer = app.ask(method, path, b"{}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "errors"}
    assert answer.json()["status"] == status
    assert (status == 405) == ("allow" in answer.headers)


def test_a_body_over_ten_mebibytes_is_refused(app: Local) -> None:
    answer = app.ask("POST", PREDICT, b"x" * ((10 << 20) + 1))
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:detent:problem:too-large"
    assert app.ask("POST", PREDICT, b" " * (10 << 20)).status_code == 400


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes)])
def test_a_compressed_body_is_unpacked(app: Local, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert app.ask("POST", PREDICT, pack(body(ROW)), **{"content-encoding": encoding}).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "content", "status", "kind"),
    [
        ("br", body(ROW), 415, "encoded"),
        ("gzip, gzip", body(ROW), 415, "encoded"),
        ("gzip", body(ROW), 400, "damaged-body"),
        ("gzip", gzip.compress(body(ROW), mtime=0)[:-4], 400, "damaged-body"),
        ("gzip", gzip.compress(bytes(1 << 30), compresslevel=1, mtime=0), 413, "too-large"),
    ],
)
def test_a_body_that_can_not_be_unpacked_is_refused(
    app: Local, encoding: str, content: bytes, status: int, kind: str
) -> None:
    answer = app.ask("POST", PREDICT, content, **{"content-encoding": encoding})
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:detent:problem:{kind}"


def test_a_large_answer_is_compressed_for_who_takes_that(app: Local) -> None:
    rows = [ROW] * 200
    packed = app.ask("POST", PREDICT, body(*rows), **{"accept-encoding": "gzip"})
    plain = app.ask("POST", PREDICT, body(*rows), **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(packed.json()["predictions"]) == len(plain.json()["predictions"]) == 200


def test_the_caller_s_own_request_id_comes_back_and_is_logged(app: Local) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert app.ask("POST", PREDICT, body(ROW), **{"x-request-id": "order-7"}).headers["x-request-id"] == "order-7"
    app.ask("POST", PREDICT, body(ROW), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    app.ask("POST", PREDICT, body(ROW), **{"x-request-id": "x" * 500})
    assert app.log()["request"].to_list() == ["order-7", trace, ""]


@pytest.mark.parametrize(
    ("timeout", "status"), [("0", 504), ("5000", 200), ("soon", 400), ("-1", 400), ("1" * 20, 400)]
)
def test_a_deadline_that_has_passed_costs_no_model_call(app: Local, timeout: str, status: int) -> None:
    answer = app.ask("POST", PREDICT, body(ROW), **{"x-request-timeout-ms": timeout})
    assert answer.status_code == status
    assert app.counts().get((1, "live"), (0, 0))[0] == (status == 200)


def test_a_bad_row_is_a_problem_that_names_the_field(app: Local) -> None:
    answer = app.predict({**ROW, "hour": "seven"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["errors"] == [
        {"field": "inputs[0].hour", "message": "it is a string ('seven'); it must be an integer"}
    ]
    assert problem["title"] == "the request does not fit the model's inputs"
    assert app.log().height == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]),
    path=st.sampled_from([PREDICT, "/feedback", "/metrics", "/healthz"])
    | st.text(max_size=30).map(lambda t: "/" + quote(t)),
    content=st.binary(max_size=100)
    | st.builds(lambda value: json.dumps(value).encode(), st.dictionaries(st.text(max_size=8), st.lists(st.integers())))
    | st.builds(
        lambda value: body({**ROW, **value}), st.dictionaries(st.sampled_from(list(ROW)), st.integers() | st.text())
    ),
)
def test_no_request_makes_a_server_error(app: Local, method: str, path: str, content: bytes) -> None:
    answer = app.ask(method, path, content)
    assert answer.status_code < 500 or answer.json()["type"] == "urn:detent:problem:model-failed"


def label(id_: object, value: object) -> bytes:
    return json.dumps({"labels": [{"prediction_id": id_, "value": value}]}).encode()


def receipt(**counts: int) -> dict[str, object]:
    return {"accepted": 0, "duplicate": 0, "corrected": 0, "stale": 0, "refused": [], **counts}


def test_a_label_reaches_its_keeper_and_may_be_sent_twice(app: Local) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    assert app.ask("POST", "/feedback", label(id_, True)).json() == receipt(accepted=1)
    assert app.ask("POST", "/feedback", label(id_, 1)).json() == receipt(duplicate=1)
    assert app.labels == {id_: 1.0}
    assert "detent_labels_accepted_total 1.0" in app.ask("GET", "/metrics").text


def test_a_label_for_an_id_that_was_never_given_out_is_a_404(app: Local) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    forged = id_[:-1] + ("0" if id_[-1] != "0" else "1")
    answer = app.ask("POST", "/feedback", label(forged, 1))
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["field"] == "labels[0].prediction_id"
    assert forged in answer.json()["errors"][0]["message"]
    assert app.labels == {}
    assert app.numbers()[0]["labels_unknown"] == 1


def test_wrong_labels_keep_no_good_one_of_the_same_request_from_being_taken(app: Local) -> None:
    good, other = (app.predict(ROW).json()["predictions"][0]["id"] for _ in range(2))
    forged = good[:-1] + ("0" if good[-1] != "0" else "1")
    entries = [{"prediction_id": forged, "value": 1}, {"prediction_id": good, "value": 1},
               {"prediction_id": other, "value": 0.5}, {"prediction_id": other, "value": 0}, "label"]  # fmt: skip
    answer = app.ask("POST", "/feedback", json.dumps({"labels": entries}).encode())
    assert answer.status_code == 200
    assert {name: number for name, number in answer.json().items() if name != "refused"} == {
        "accepted": 2, "duplicate": 0, "corrected": 0, "stale": 0,
    }  # fmt: skip
    fields = [refused["field"] for refused in answer.json()["refused"]]
    assert fields == ["labels[0].prediction_id", "labels[2].value", "labels[4]"]
    assert app.labels == {good: 1.0, other: 0.0}
    assert app.numbers()[0]["labels_unknown"] == 1


@pytest.mark.parametrize(
    ("at", "words"),
    [("soon", "ISO 8601"), (7, "ISO 8601"), ("2020-01-01T10:00:00", "without a zone"),
     ("2999-01-01T00:00:00Z", "future")],
)  # fmt: skip
def test_a_time_that_is_no_moment_of_the_past_is_refused(app: Local, at: object, words: str) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    sent = json.dumps({"labels": [{"prediction_id": id_, "value": 1, "at": at}]}).encode()
    answer = app.ask("POST", "/feedback", sent)
    assert answer.status_code == 422
    assert words in answer.json()["errors"][0]["message"]
    assert app.labels == {}


def test_a_label_says_since_when_its_truth_is_known(app: Local) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    sent = {"labels": [{"prediction_id": id_, "value": 1, "at": "2020-01-01T10:00:00+02:00"}]}
    assert app.ask("POST", "/feedback", json.dumps(sent).encode()).json() == receipt(accepted=1)


@pytest.mark.parametrize("value", [0.5, 2, None, "1", [1], 10**300, -0.1])
def test_a_label_of_a_binary_model_is_zero_or_one(app: Local, value: object) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    answer = app.ask("POST", "/feedback", label(id_, value))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "labels[0].value"


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"{}", b'{"labels": []}', b'{"labels": {}}', b'{"labels": [1]}', b'{"labels": [{}]}',
     b'{"labels": [{"prediction_id": 5, "value": 1}]}', b'{"labels": [{"prediction_id": "", "value": 1}]}',
     b'{"labels": [{"prediction_id": "x", "value": NaN}]}', b'{"label": [], "labels": [{}]}',
     json.dumps({"labels": [{"prediction_id": "x", "value": 1}] * 1_001}).encode()],
)  # fmt: skip
def test_bad_feedback_is_a_problem_of_the_caller(app: Local, sent: bytes) -> None:
    answer = app.ask("POST", "/feedback", sent)
    assert answer.status_code in (400, 422)
    assert answer.json()["errors"]
    assert answer.json()["title"] in ("the labels can't be taken as they were sent", "the body is not JSON")


@pytest.mark.parametrize("kind", [BusyError, StoreError])
def test_labels_that_can_not_be_stored_are_sent_again_later(app: Local, kind: type[BusyError]) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    app.fails_with = kind(what="no", why="because", fix="wait")
    answer = app.ask("POST", "/feedback", label(id_, 1))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "because" not in answer.text  # it may say where the database is
    app.fails_with = None
    assert app.ask("POST", "/feedback", label(id_, 1)).json()["accepted"] == 1


def test_a_bug_is_a_500_that_tells_nothing_and_the_worker_goes_on(app: Local) -> None:
    id_ = app.predict(ROW).json()["predictions"][0]["id"]
    app.fails_with = ZeroDivisionError("secret detail")
    answer = app.ask("POST", "/feedback", label(id_, 1))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    app.fails_with = None
    assert app.predict(ROW).status_code == 200


def test_requests_are_counted_by_status_and_made_up_names_are_not_labels(app: Local) -> None:
    app.predict(ROW)
    app.predict({**ROW, "hour": None})
    app.ask("POST", "/v1/models/made-up:predict", b"{}")
    text = app.ask("GET", "/metrics").text
    assert 'detent_requests_total{endpoint="flights",status="2xx"} 1.0' in text
    assert 'detent_requests_total{endpoint="flights",status="4xx"} 1.0' in text
    assert "made-up" not in text
