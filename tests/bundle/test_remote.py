"""Remote models, against a small server of the protocol over real sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from detent.bundle.predictors.openai import ChatClient, Message
from detent.bundle.predictors.remote import RemotePredictor, read_remote
from detent.bundle.protocol import PredictionError
from detent.bundle.trust import write_trust
from detent.errors import RefusedError
from detent.project.environment import Secret
from detent.records.project import Trust
from detent.records.signature import Field, Signature

SIGNATURE = Signature(
    inputs=(
        Field(name="a", kind="number", nullable=True),
        Field(name="b", kind="integer", nullable=False),
        Field(name="city", kind="string", nullable=True),
    ),
    output="probability",
)
NUMBERS = Signature(inputs=SIGNATURE.inputs[:2], output="probability")
ROWS = {"a": [0.5, None, 2.0], "b": [1, 2, 3], "city": ["Rome", None, "Lima"]}
DTYPES = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8"}


class V2(BaseHTTPRequestHandler):
    """Answers 1 / (1 + exp(-(sum of numbers + length of texts))), as JSON or as bytes; other paths misbehave."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers)))  # pyright: ignore[reportAttributeAccessIssue]
        if "/models/slow/" in self.path:
            self.server.stop.wait(5)  # pyright: ignore[reportAttributeAccessIssue]
        if "/models/moved/" in self.path:
            self.answer(302, b"", {"Location": "http://127.0.0.1:1/elsewhere"})
        elif "/models/broken/" in self.path:
            self.answer(500, b"out of memory")
        elif "/models/nonsense/" in self.path:
            self.answer(200, b'{"outputs": [{"name": "s", "shape": [9], "data": ["x"]}]}')
        elif "/models/short/" in self.path:
            self.answer(200, b'{"outputs": [{"name": "s", "datatype": "FP64", "shape": [1], "data": [0.5]}]}')
        elif self.path == "/v1/chat/completions":
            text = json.loads(body)["messages"][-1]["content"].upper()
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self.answer(200, json.dumps({"choices": [choice], "usage": {"prompt_tokens": 3}}).encode())
        else:
            self.infer(body)

    def infer(self, body: bytes) -> None:
        split = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        asked, at, total = json.loads(body[:split]), split, 0.0
        for tensor in asked["inputs"]:
            rows, size = tensor["shape"][0], tensor.get("parameters", {}).get("binary_data_size")
            if size is not None:
                values = np.frombuffer(body[at : at + size], DTYPES[tensor["datatype"]])
                at += size
            else:
                values = np.array(
                    [len(v) if isinstance(v, str) else np.nan if v is None else v for v in tensor["data"]]
                )
            total = total + np.nan_to_num(values.astype(float)).reshape(rows, -1).sum(axis=1)
        scores = 1 / (1 + np.exp(-np.asarray(total)))
        output = {"name": "score", "datatype": "FP64", "shape": [len(scores), 1]}
        wants = asked.get("parameters", {}).get("binary_data_output")
        wants = wants or any(one.get("parameters", {}).get("binary_data") for one in asked.get("outputs", ()))
        other = {"name": "label", "datatype": "INT64", "shape": [1], "data": [7]}
        if wants:
            blob = scores.astype("<f8").tobytes()
            head = json.dumps({"outputs": [{**output, "parameters": {"binary_data_size": len(blob)}}, other]}).encode()
            self.answer(200, head + blob, {"Inference-Header-Content-Length": str(len(head))})
        else:
            self.answer(200, json.dumps({"outputs": [{**output, "data": scores.tolist()}, other]}).encode())

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), V2)
    made.daemon_threads = True
    made.seen = []  # pyright: ignore[reportAttributeAccessIssue]
    made.stop = threading.Event()  # pyright: ignore[reportAttributeAccessIssue]
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.stop.set()  # pyright: ignore[reportAttributeAccessIssue]
    made.shutdown()
    made.server_close()


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def opened(folder: Path, url: str, signature: Signature = SIGNATURE, **said: object) -> RemotePredictor:
    (folder / "remote.json").write_text(json.dumps({"url": url, "model": "m", **said}))
    write_trust(folder, Trust(remotes=(url,)))
    return RemotePredictor.open(folder, signature)


def test_columns_go_out_as_tensors_and_scores_come_back(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    expected = 1 / (1 + np.exp(-np.array([0.5 + 1 + 4, 0 + 2 + 0, 2 + 3 + 4])))
    for binary in (False, True):
        for output in ("", "score"):
            predictor = opened(tmp_path, address(server), binary=binary, output=output, version="3")
            np.testing.assert_allclose(predictor.predict(ROWS), expected)
            predictor.close()
    assert server.seen[0][0] == "/v2/models/m/versions/3/infer"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("dtype", ["FP32", "FP64"])
def test_a_matrix_is_one_tensor(server: ThreadingHTTPServer, tmp_path: Path, binary: bool, dtype: str) -> None:
    predictor = opened(tmp_path, address(server), NUMBERS, layout="matrix", input="x", dtype=dtype, binary=binary)
    expected = 1 / (1 + np.exp(-np.array([1.5, 2.0, 5.0])))
    np.testing.assert_allclose(predictor.predict(ROWS), expected)
    predictor.close()


@pytest.mark.parametrize("model", ["moved", "broken", "nonsense", "short"])
def test_a_server_that_misbehaves_is_a_failed_prediction(
    server: ThreadingHTTPServer, tmp_path: Path, model: str
) -> None:
    predictor = opened(tmp_path, address(server), model=model)
    with pytest.raises(PredictionError):
        predictor.predict(ROWS)
    predictor.close()


def test_a_slow_or_absent_server_is_a_failed_prediction_in_time(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    began = monotonic()
    for url, model in ((address(server), "slow"), ("http://127.0.0.1:1", "m")):
        predictor = opened(tmp_path, url, model=model, timeout=0.3)
        with pytest.raises(PredictionError) as caught:
            predictor.predict(ROWS)
        assert "does not answer" in caught.value.why
        predictor.close()
    assert monotonic() - began < 4


def test_proxies_of_the_environment_are_not_used(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    predictor = opened(tmp_path, address(server))
    assert predictor.predict(ROWS).shape == (3,)
    predictor.close()


def test_a_token_comes_from_the_environment_and_a_model_name_can_not_lead_elsewhere(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMOTE_TOKEN", "hidden")
    predictor = opened(tmp_path, address(server), model="../../admin?x#y", token_env="REMOTE_TOKEN")
    predictor.predict(ROWS)
    path, headers = server.seen[0]  # pyright: ignore[reportAttributeAccessIssue]
    assert path == "/v2/models/..%2F..%2Fadmin%3Fx%23y/infer"
    assert headers["Authorization"] == "Bearer hidden"
    predictor.close()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://user:pass@host",
        "http://",
        "ftp://host",
        "http://host?x=1",
        "http://host:99999/",
        "",
    ],
)
def test_an_address_that_is_not_plain_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RefusedError):
        opened(tmp_path, url)


def test_a_server_that_the_policy_does_not_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "remote.json").write_text('{"url": "http://169.254.169.254", "model": "m"}')
    write_trust(tmp_path, Trust(remotes=("http://10.0.0.7:8000",)))
    with pytest.raises(RefusedError, match="does not allow this server") as caught:
        RemotePredictor.open(tmp_path, SIGNATURE)
    assert "trust: {remotes: [http://169.254.169.254]}" in caught.value.fix


@pytest.mark.parametrize("data", [b"", b"[]", b'{"url": 3}', b'{"url": "http://h", "model": "m", "extra": 1}', b"\xff"])
def test_a_description_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="can't be loaded"):
        read_remote(data)


def test_a_chat_model_answers_with_text(server: ThreadingHTTPServer) -> None:
    client = ChatClient(address(server) + "/v1", "small", token=Secret("hidden"))
    answer = client.complete([Message(role="user", content="hello")], max_tokens=5)
    assert (answer.text, answer.finish, answer.prompt_tokens, answer.completion_tokens) == ("HELLO", "stop", 3, 0)
    assert server.seen[0][1]["Authorization"] == "Bearer hidden"  # pyright: ignore[reportAttributeAccessIssue]
    client.close()
    client = ChatClient(address(server), "small")  # without /v1: another answer than a completion
    with pytest.raises(PredictionError):
        client.complete([Message(role="user", content="hello")])
    client.close()
