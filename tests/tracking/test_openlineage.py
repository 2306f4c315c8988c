"""OpenLineage events, held against the published definitions, and the sinks that take them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from detent.project.environment import Secret
from detent.records.lineage import CacheUse, Checkout, DatasetUse, Execution
from detent.tracking.openlineage import facets
from detent.tracking.openlineage.events import Message, Scope, events, run_id
from detent.tracking.openlineage.sinks import HttpSink, JsonLines, SinkError

SCOPE = Scope(project="shop", state="a" * 64)
ORDERS = DatasetUse(
    name="orders",
    digest="b" * 64,
    rows=1_000,
    bytes=12_345,
    files=2,
    columns=(("id", "Int64"), ("placed at", "Datetime(time_unit='us')")),
    source="data/my orders.parquet",
)
STEP = Execution(
    id="run-0001/train",
    job="retrain.train",
    kind="STEP",
    parent=("run-0001", "retrain"),
    state="succeeded",
    started_at="2025-03-01T03:00:00.000000+00:00",
    ended_at="2025-03-01T03:00:12.500000+00:00",
    inputs=(ORDERS, DatasetUse(name="retrain.split", digest="c" * 64, assertions=(("roc_auc >= 0.65", True),))),
    outputs=(DatasetUse(name="retrain.train", digest="d" * 64, files=1),),
    cache=CacheUse(key="e" * 64, hit=True, reason="unchanged"),
    variables=("API_TOKEN",),
    checkout=Checkout(commit="f" * 40, dirty=True, branch="main", repository="git@example.org:ann/shop.git", path="m"),
    file="pipeline.py",
)
ON_THE_WEB = "https://example.org/ann/shop/blob/" + "f" * 40 + "/m/pipeline.py"
EVERYTHING = (
    STEP,
    replace(STEP, state="failed", error="no rows\n  why: they are gone", outputs=(), cache=None),
    replace(STEP, state="running", ended_at=""),
    replace(STEP, id="run-0001", job="retrain", kind="PIPELINE", parent=None, state="aborted", checkout=None),
    replace(STEP, inputs=(replace(ORDERS, source="s3://ann:secret@bucket/raw/orders.parquet?sig=abc"),)),
)


def bodies(*executions: Execution) -> list[dict[str, Any]]:
    return [message.body for execution in executions for message in events(execution, SCOPE)]


def test_every_event_and_every_facet_in_it_is_what_the_published_definitions_say() -> None:
    pytest.importorskip("jsonschema", reason="a development dependency")
    pytest.importorskip("openlineage.client", reason="a development dependency: the official client")
    from .openlineage_definitions import check_event, facets_of

    seen = set()
    for body in bodies(*EVERYTHING):
        check_event(body)
        seen |= {facet["_schemaURL"].rpartition("/")[2] for facet in facets_of(body)}
    assert len(seen) == 14  # all the kinds of facets that we ever send


def test_the_official_client_reads_and_writes_our_events_without_losing_anything() -> None:
    pytest.importorskip("jsonschema", reason="a development dependency")
    pytest.importorskip("openlineage.client", reason="a development dependency: the official client")
    from .openlineage_definitions import through_the_client

    for body in bodies(*EVERYTHING):
        again = through_the_client(body)
        assert _without_defaults(again) == body


def test_an_event_that_lacks_what_is_required_is_found_by_the_definitions() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="a development dependency")
    pytest.importorskip("openlineage.client", reason="a development dependency: the official client")
    from .openlineage_definitions import check_event

    for spoil in (
        lambda body: body["run"].pop("runId"),
        lambda body: body.update(eventType="DONE"),
        lambda body: body.update(eventTime="yesterday"),
        lambda body: body["run"]["facets"]["parent"]["run"].update(runId="run-0001"),
        lambda body: body["run"]["facets"]["detent_cache"].update(hit="yes"),
        lambda body: body["job"]["facets"]["jobType"].pop("integration"),
        lambda body: body["outputs"][0]["outputFacets"]["outputStatistics"].update(fileCount="one"),
    ):
        body = bodies(STEP)[1]
        spoil(body)
        with pytest.raises(jsonschema.ValidationError):
            check_event(body)


def test_a_run_that_ended_gives_its_start_and_its_end_and_a_running_one_its_start() -> None:
    kinds = [[body["eventType"] for body in bodies(execution)] for execution in EVERYTHING[:4]]
    assert kinds == [["START", "COMPLETE"], ["START", "FAIL"], ["START"], ["START", "ABORT"]]


def test_ids_follow_from_what_happened_so_a_repeated_event_is_the_same_event() -> None:
    first, again = events(STEP, SCOPE), events(STEP, SCOPE)
    assert first == again
    assert len({message.id for message in first}) == 2
    other_state = Scope(project="shop", state="0" * 64)
    assert run_id(SCOPE, STEP.id) != run_id(other_state, STEP.id)  # both have a run-0001
    assert run_id(SCOPE, "run-0001") == first[0].body["run"]["facets"]["parent"]["run"]["runId"]


def test_the_start_knows_no_result() -> None:
    start, end = bodies(STEP)
    assert start["outputs"] == []
    assert "detent_cache" not in start["run"]["facets"]
    assert end["run"]["facets"]["detent_cache"]["hit"] is True


def test_no_value_of_an_environment_variable_and_no_credential_is_sent() -> None:
    sent = json.dumps(bodies(*EVERYTHING))
    assert "API_TOKEN" in sent
    assert facets.NOT_SENT in sent
    for secret in ("secret", "sig=abc", "ann:"):
        assert secret not in sent.replace("git@example.org:ann/shop.git", "")


def test_a_table_in_object_storage_has_the_name_by_which_other_tools_know_it() -> None:
    found = bodies(EVERYTHING[4])[0]["inputs"][0]["facets"]["symlinks"]["identifiers"]
    assert found == [{"namespace": "s3://bucket", "name": "raw/orders.parquet", "type": "LOCATION"}]
    local = bodies(STEP)[0]["inputs"][0]["facets"]
    assert "symlinks" not in local
    assert local["dataSource"]["uri"] == "file:data/my%20orders.parquet"


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("git@example.org:ann/shop.git", "https://example.org/ann/shop/blob/" + "f" * 40 + "/m/pipeline.py"),
        ("ssh://git@example.org:2222/ann/shop.git", "https://example.org/ann/shop/blob/" + "f" * 40 + "/m/pipeline.py"),
        (
            "https://ann:token@example.org/ann/shop.git",
            "https://example.org/ann/shop/blob/" + "f" * 40 + "/m/pipeline.py",
        ),
        ("/srv/git/shop.git", "git:" + "f" * 40),
        ("", "git:" + "f" * 40),
    ],
)
def test_code_is_found_in_git_whatever_form_the_remote_has(repository: str, url: str) -> None:
    assert STEP.checkout is not None
    facet = facets.code_location(replace(STEP.checkout, repository=repository), "pipeline.py")
    assert facet["url"] == url
    assert facet["version"] == "f" * 40 + "-dirty"
    assert "token" not in json.dumps(facet)


def test_a_long_error_is_cut() -> None:
    assert len(facets.error_message("x" * 10_000)["message"]) == facets.LONGEST_ERROR


def test_telling_lineage_loads_neither_mlflow_nor_the_official_client() -> None:
    code = (
        "import sys, detent.tracking.openlineage.sinks, detent.tracking.openlineage.outbox\n"
        "print([name for name in ('mlflow', 'openlineage', 'polars', 'pandas', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def messages(count: int) -> list[Message]:
    return [Message(id=f"id-{number}", body={"number": number}) for number in range(count)]


def lines(path: Path) -> list[int]:
    return [json.loads(line)["number"] for line in path.read_text().splitlines()]


def test_the_file_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "lineage", most_bytes=100, files=3)
    for message in messages(40):
        assert sink.send([message]) == {}
    files = [tmp_path / "lineage" / name for name in ("events.2.jsonl", "events.1.jsonl", "events.jsonl")]
    kept = [number for file in files for number in lines(file)]
    assert kept == list(range(40 - len(kept), 40))
    assert all(file.stat().st_size <= 100 for file in files)
    assert len(list((tmp_path / "lineage").iterdir())) == 3


def test_a_line_that_a_killed_process_left_half_written_is_cut_off(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path)
    sink.send(messages(2))
    with sink.path.open("ab") as file:
        file.write(b'{"number": 2, "tor' + b"n" * 100_000)
    sink.send([Message(id="id-2", body={"number": 2})])
    assert lines(sink.path) == [0, 1, 2]


class Receiver(ThreadingHTTPServer):
    """A lineage server that keeps what it is sent and answers what it is told to."""

    daemon_threads = True

    def __init__(self, protocol: str = "HTTP/1.1") -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.answers: dict[int, tuple[int, bytes]] = {}  # by the event's number

        class Handler(BaseHTTPRequestHandler):
            protocol_version = protocol

            def do_POST(handler) -> None:
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.got.append((handler.path, dict(handler.headers), body))
                status, text = self.answers.get(body.get("number", -1), (201, b""))
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(text)))
                if 300 <= status < 400:
                    handler.send_header("Location", self.url)
                handler.end_headers()
                handler.wfile.write(text)
                if protocol == "HTTP/1.1" and len(self.got) % 3 == 0:
                    handler.close_connection = True  # as servers do with kept connections, without saying so

            def log_message(handler, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up on a long answer is no fault of the server's."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def numbers(self) -> list[int]:
        return [body["number"] for _, _, body in self.got]


@pytest.fixture(params=["HTTP/1.1", "HTTP/1.0"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    server = Receiver(request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_are_posted_in_order_with_token_and_idempotency_key(receiver: Receiver) -> None:
    sink = HttpSink(receiver.url, secret=Secret("t0ken"))
    assert sink.send(messages(10)) == {}
    assert receiver.numbers == list(range(10))
    path, headers, _ = receiver.got[3]
    assert path == "/api/v1/lineage"
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["Idempotency-Key"] == "id-3"
    assert headers["Content-Type"] == "application/json"


def test_a_path_in_the_url_is_used_as_it_is(receiver: Receiver) -> None:
    HttpSink(f"{receiver.url}/openapi/openlineage/api/v1/lineage").send(messages(1))
    assert receiver.got[0][0] == "/openapi/openlineage/api/v1/lineage"


def test_an_event_that_is_refused_for_good_does_not_hold_up_the_others(receiver: Receiver) -> None:
    receiver.answers = {1: (422, b"eventType\n is wrong")}
    refused = HttpSink(receiver.url).send(messages(3))
    assert refused == {"id-1": "it answered 422: eventType is wrong"}
    assert receiver.numbers == [0, 1, 2]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500, 503])
def test_any_other_answer_stops_the_sending_and_names_no_secret(receiver: Receiver, status: int) -> None:
    receiver.answers = {1: (status, b"x" * 50_000)}
    with pytest.raises(SinkError) as caught:
        HttpSink(f"{receiver.url}/secret-path", secret=Secret("t0ken")).send(messages(3))
    assert receiver.numbers == [0, 1]
    assert str(status) in caught.value.why
    assert "secret-path" not in str(caught.value)
    assert "t0ken" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error_that_says_so() -> None:
    server = Receiver()
    url = server.url
    server.server_close()
    with pytest.raises(SinkError, match=r"could not be sent to 127\.0\.0\.1"):
        HttpSink(url, timeout=1.0).send(messages(1))


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "marquez:5000", "http://ann:secret@host"])
def test_a_url_that_is_no_plain_http_address_is_refused(url: str) -> None:
    with pytest.raises(SinkError, match="is refused") as caught:
        HttpSink(url)
    assert "secret" not in str(caught.value).replace("secret: NAME_OF_VARIABLE", "")


def _without_defaults(value: Any) -> Any:
    """Drop the empty containers that the client writes and we leave out."""
    if isinstance(value, dict):
        cleaned = {name: _without_defaults(item) for name, item in value.items()}
        return {name: item for name, item in cleaned.items() if item not in ({}, []) or name in ("inputs", "outputs")}
    return [_without_defaults(item) for item in value] if isinstance(value, list) else value
