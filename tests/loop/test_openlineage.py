"""Lineage is told to every sink at least once, whatever dies in between, and never fails what it tells of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from detent.loop.lineage.openlineage import Delivery, emit, lineage_folder
from detent.loop.workspace import Workspace
from detent.store.lock import held_lock
from detent.tracking.openlineage import outbox

from .lineage_story import Story, name, open_shop, tell_story

EVENTS = 62  # of the whole story


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    ws = open_shop(tmp_path / "shop")
    tell_story(ws.db)
    return ws


def in_file(ws: Workspace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (lineage_folder(ws.state) / "events.jsonl").read_text().splitlines()]


def ids(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["run"]["runId"], event["eventType"]) for event in events]


def jobs(events: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((event["job"]["name"], event["eventType"]) for event in events)


def test_every_run_step_and_verdict_is_told_once(shop: Workspace) -> None:
    assert emit(shop) == (Delivery(sink="file", told=EVENTS),)
    events = in_file(shop)
    assert len(set(ids(events))) == EVENTS
    told = jobs(events)
    assert told["retrain", "START"] == 4
    assert told["retrain", "FAIL"] == 1
    assert told["retrain.score", "COMPLETE"] == 9  # three runs with three items
    assert told["retrain.split", "FAIL"] == 1
    assert told["retrain.gate", "COMPLETE"] == 4
    assert emit(shop) == (Delivery(sink="file", told=0),)
    assert len(in_file(shop)) == EVENTS


def test_what_is_told_is_what_the_published_definitions_say(shop: Workspace) -> None:
    pytest.importorskip("jsonschema", reason="a development dependency")
    pytest.importorskip("openlineage.client", reason="a development dependency: the official client")
    from tests.tracking.openlineage_definitions import check_event

    emit(shop)
    for event in in_file(shop):
        check_event(event)


def test_the_graph_of_datasets_leads_from_the_source_to_the_model(shop: Workspace) -> None:
    emit(shop)
    made_of: dict[str, set[str]] = {}
    for event in in_file(shop):
        for output in event["outputs"]:
            made_of.setdefault(output["name"], set()).update(given["name"] for given in event["inputs"])
    above, waiting = set(), ["models/shop"]
    while waiting:
        news = made_of.get(waiting.pop(), set()) - above
        above |= news
        waiting += news
    assert above == {"retrain.train", "retrain.split.train", "retrain.split.evaluation", "retrain.clean", "orders",
                     "labels"}  # fmt: skip


def test_an_event_says_versions_rows_code_and_how_the_cache_was_used(shop: Workspace) -> None:
    emit(shop)
    events = in_file(shop)
    first = next(event for event in events if event["job"]["name"] == "retrain.clean" and event["outputs"])
    (orders,) = first["inputs"]
    assert orders["facets"]["version"]["datasetVersion"] == f"sha256:{name('orders 1000')}"
    assert orders["inputFacets"]["inputStatistics"]["rowCount"] == 1_000
    written = first["outputs"][0]["outputFacets"]["outputStatistics"]
    assert (written["fileCount"], written["size"]) == (1, 1_000)
    assert first["job"]["facets"]["sourceCodeLocation"]["version"].endswith("-dirty")
    assert first["job"]["facets"]["sourceCodeLocation"]["path"] == "models/shop/pipeline.py"
    hits = [event["run"]["facets"]["detent_cache"]["hit"] for event in events if event["outputs"]
            and event["job"]["name"] == "retrain.clean"]  # fmt: skip
    assert hits == [False, False, True, False]
    trained = next(event for event in events if event["job"]["name"] == "retrain.train" and event["outputs"])
    named = trained["run"]["facets"]["environmentVariables"]["environmentVariables"]
    assert named == [{"name": "API_TOKEN", "value": "[not sent]"}]
    failed = next(event for event in events if event["eventType"] == "FAIL" and "split" in event["job"]["name"])
    assert "no rows" in failed["run"]["facets"]["errorMessage"]["message"]
    judged = [event for event in events if event["job"]["name"] == "retrain.gate" and event["eventType"] == "COMPLETE"]
    assert [len(event["outputs"]) for event in judged] == [1, 0, 1, 0]  # refused ones give no version


def test_a_run_that_goes_on_is_told_as_far_as_it_has_come_and_holds_up_no_other(tmp_path: Path) -> None:
    ws = open_shop(tmp_path / "shop")
    story = Story(ws.db)
    data = {"orders": story.snapshot("orders", rows=10)}
    story.begin("run-0001", data)
    story.step("run-0001", "clean", [("orders", data["orders"], "orders")], {"result": name("1")})
    story.begin("run-0002", data)
    story.end("run-0002")
    assert emit(ws)[0].told == 1 + 2 + 2
    assert emit(ws)[0].told == 0
    story.step("run-0001", "train", [("rows", name("1"), "clean")], {"result": name("2")})
    assert emit(ws)[0].told == 2
    story.end("run-0001")
    assert emit(ws)[0].told == 1
    assert emit(ws)[0].told == 0
    assert jobs(in_file(ws))["retrain", "COMPLETE"] == 2
    standing = outbox.standing(ws.db, "file")
    assert (standing.runs, standing.told) == (2, 8)
    assert outbox.told(ws.db, "file") == {}


def test_a_run_that_was_killed_is_told_as_aborted(tmp_path: Path) -> None:
    ws = open_shop(tmp_path / "shop")
    story = Story(ws.db)
    story.begin("run-0001", {})
    story.end("run-0001", "failed")  # and no step failed
    emit(ws)
    assert [event["eventType"] for event in in_file(ws)] == ["START", "ABORT"]


def test_two_states_of_one_project_have_other_run_ids(shop: Workspace, tmp_path: Path) -> None:
    other = open_shop(tmp_path / "other")
    tell_story(other.db)
    emit(shop)
    emit(other)
    assert not {run for run, _ in ids(in_file(shop))} & {run for run, _ in ids(in_file(other))}


def test_a_folder_that_cannot_be_written_fails_nothing_and_is_tried_again_later(shop: Workspace) -> None:
    folder = lineage_folder(shop.state)
    folder.mkdir()
    (folder / "events.jsonl").mkdir()
    (delivery,) = emit(shop)
    assert (delivery.told, delivery.late) == (0, True)
    assert "can't be written" in delivery.error
    (folder / "events.jsonl").rmdir()
    assert emit(shop)[0].told == 0  # it is left alone for a while
    assert emit(shop, force=True) == (Delivery(sink="file", told=EVENTS),)
    assert outbox.standing(shop.db, "file").failures == 0


def test_a_broken_state_fails_nothing_and_is_said(shop: Workspace) -> None:
    with shop.db.transaction() as tx:
        tx.execute("UPDATE step_runs SET outputs = 'no json' WHERE run = 'run-0002'")
    (delivery,) = emit(shop)
    assert delivery.error.startswith("JSONDecodeError")
    assert outbox.standing(shop.db, "file").error == delivery.error
    assert jobs(in_file(shop))["retrain", "COMPLETE"] == 1  # the run before it


def test_a_slow_server_holds_up_a_run_no_longer_than_it_may(tmp_path: Path, receiver: Receiver) -> None:
    receiver.delay = 0.1
    ws = open_shop(tmp_path / "shop", lineage=f"{{url: {receiver.url}}}")
    tell_story(ws.db)
    began = time.monotonic()
    http = emit(ws, seconds=0.5)[1]
    assert http.late
    assert http.told == len(receiver.got) < EVENTS
    assert time.monotonic() - began < 4.0  # time for what was under way, on a slow machine
    receiver.delay = 0.0
    emit(ws)
    assert ids(receiver.got) == ids(in_file(ws))


def test_only_one_process_tells_a_sink_at_a_time(shop: Workspace) -> None:
    with held_lock(lineage_folder(shop.state) / "file.lock", what="w", why="w", fix="f"):
        assert emit(shop) == (Delivery(sink="file", told=0, late=True),)
    assert emit(shop)[0].told == EVENTS


def test_when_time_is_up_the_rest_is_told_the_next_time(shop: Workspace) -> None:
    assert emit(shop, seconds=-1.0) == (Delivery(sink="file", told=0, late=True),)
    assert emit(shop)[0].told == EVENTS


class Receiver(ThreadingHTTPServer):
    """A lineage server: answers with `status`, and does something when it got so many events."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 201
        self.delay = 0.0  # seconds that an answer takes
        self.kill_at: tuple[int, int] | None = None  # (event, process)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                threading.Event().wait(self.delay)
                self.got.append(body)
                if self.kill_at is not None and len(self.got) == self.kill_at[0]:
                    os.kill(self.kill_at[1], signal.SIGKILL)
                handler.send_response(self.status)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no fault of the server's."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_gets_the_same_events_as_the_file(tmp_path: Path, receiver: Receiver) -> None:
    ws = open_shop(tmp_path / "shop", lineage=f"{{url: {receiver.url}}}")
    tell_story(ws.db)
    file, http = emit(ws)
    assert (file.told, http.told, http.error) == (EVENTS, EVENTS, "")
    assert http.sink.startswith("http 127.0.0.1 ")
    assert receiver.got == in_file(ws)


def test_a_server_that_is_down_gets_everything_once_it_is_up_and_the_file_does_not_wait(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.status = 503
    ws = open_shop(tmp_path / "shop", lineage=f"{{url: {receiver.url}}}")
    tell_story(ws.db)
    file, http = emit(ws)
    assert (file.told, http.told) == (EVENTS, 0)
    assert "it answered 503" in http.error
    assert emit(ws)[1].error == http.error  # not asked again at once
    assert len(receiver.got) == 1
    receiver.got, receiver.status = [], 201
    assert emit(ws, force=True)[1] == Delivery(sink=http.sink, told=EVENTS)
    assert ids(receiver.got) == ids(in_file(ws))


def test_what_a_server_refuses_for_good_is_put_aside(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 422
    ws = open_shop(tmp_path / "shop", lineage=f"{{url: {receiver.url}}}")
    story = Story(ws.db)
    story.begin("run-0001", {})
    story.end("run-0001")
    http = emit(ws)[1]
    assert (http.told, http.late, http.error) == (0, False, "")
    aside = [json.loads(line) for line in (lineage_folder(ws.state) / "refused.jsonl").read_text().splitlines()]
    assert [line["event"]["eventType"] for line in aside] == ["START", "COMPLETE"]
    assert "422" in aside[0]["why"]
    assert outbox.standing(ws.db, http.sink).refused == 2


def test_a_missing_secret_is_said_and_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    ws = open_shop(tmp_path / "shop", lineage="{url: http://127.0.0.1:1, secret: NO_SUCH_TOKEN}")
    tell_story(ws.db)
    file, http = emit(ws)
    assert file.told == EVENTS
    assert "the secret `NO_SUCH_TOKEN` is not there" in http.error


@pytest.mark.parametrize("at", [30, EVENTS])
def test_after_a_sigkill_nothing_is_lost_and_what_is_told_twice_is_the_same(
    tmp_path: Path, receiver: Receiver, at: int
) -> None:
    ws = open_shop(tmp_path / "shop", lineage=f"{{url: {receiver.url}}}")
    tell_story(ws.db)
    code = (
        "import sys; from pathlib import Path; from tests.loop.lineage_story import open_shop; "
        "from detent.loop.lineage.openlineage import emit; "
        "ws = open_shop(Path(sys.argv[1]), lineage=sys.argv[2]); "
        "print('ready', flush=True); sys.stdin.readline(); emit(ws)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "shop"), f"{{url: {receiver.url}}}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    receiver.kill_at = (at, child.pid)
    child.stdin.write("go\n")
    child.stdin.close()
    assert child.wait(timeout=60) == -signal.SIGKILL
    child.stdout.close()
    deadline = time.monotonic() + 20
    while not emit(ws)[1].told and time.monotonic() < deadline:
        pass  # the lock of a killed process goes with it
    assert {json.dumps(event, sort_keys=True) for event in receiver.got} == {
        json.dumps(event, sort_keys=True) for event in in_file(ws)
    }
    assert len(set(ids(in_file(ws)))) == EVENTS
    assert len(set(ids(receiver.got))) == EVENTS
