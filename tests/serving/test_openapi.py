"""`/openapi.json`: a valid document that names every route, and answers that are what it says."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from detent.records.signature import Field, Signature
from detent.serving.http.paths import PUBLIC, ROUTES
from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, NAN, POISON, ROW, SIGNATURE, World, body, make_bundle
from .conftest import Local
from .environments import environment

Start = Callable[..., Local]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
CONFIG = '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "4xx", "503", "504"]\n'


@pytest.fixture
def app(world: World, local: Start) -> Local:
    world.route((1, 10_000))
    return local()


def document(app: Local, **headers: str) -> dict[str, Any]:
    return app.ask("GET", "/openapi.json", **headers).json()


def conforms(said: dict[str, Any], method: str, path: str, answer: Any) -> None:
    """The answer has a status, a content type and a body that the document knows."""
    responses = said["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code, answer.text)
    kind = answer.headers["content-type"].partition(";")[0]
    content = responses[str(answer.status_code)]["content"]
    assert kind in content, (path, answer.status_code, kind)
    if kind.endswith("json"):
        schema = {**content[kind]["schema"], "components": said["components"]}
        Draft202012Validator(schema).validate(answer.json())


def test_the_document_is_valid_and_names_every_route_and_the_live_signature(app: Local) -> None:
    said = document(app)
    validate(said)  # type: ignore[arg-type]
    for rule in ROUTES:
        assert rule.method.lower() in said["paths"][rule.path.replace("{endpoint}", ENDPOINT)]
    names = [operation["operationId"] for path in said["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
    row = said["components"]["schemas"][f"Row-{ENDPOINT}"]
    assert row["required"] == ["hour", "wet"]
    assert row["properties"]["temp"]["type"] == ["number", "null"]
    assert row["properties"]["hour"]["type"] == "integer"
    assert "security" not in json.dumps(said["paths"])


def test_guarded_paths_say_that_they_need_a_key(world: World, local: Start) -> None:
    world.route((1, 10_000))
    key = "Bearer secret"
    app = local(api_key_digest=hashlib.sha256(b"secret").hexdigest())
    assert app.ask("GET", "/openapi.json").status_code == 401
    said = document(app, authorization=key)
    validate(said)  # type: ignore[arg-type]
    for rule in ROUTES:
        operation = said["paths"][rule.path.replace("{endpoint}", ENDPOINT)][rule.method.lower()]
        assert ("security" in operation) == (rule.access != PUBLIC)


def test_a_document_without_any_endpoint_is_valid(local: Start) -> None:
    app = local()
    said = document(app)
    validate(said)  # type: ignore[arg-type]
    for path in ("/readyz", "/v2/health/ready", "/ping"):
        conforms(said, "GET", path, app.ask("GET", path))


def test_a_route_with_two_signatures_needs_no_field(world: World, local: Start, tmp_path: Path) -> None:
    fields = [Field(name=one.name, kind="number", nullable=False) for one in SIGNATURE.inputs if one.kind == "integer"]
    inputs = tuple(fields[0] if one.name == "hour" else one for one in SIGNATURE.inputs)
    world.ship(4, make_bundle(tmp_path / "4", 4, signature=Signature(inputs=inputs, output="probability")))
    world.route((1, 5_000), (4, 5_000))
    said = document(local())
    validate(said)  # type: ignore[arg-type]
    assert said["components"]["schemas"][f"Row-{ENDPOINT}"]["required"] == []


def test_every_get_route_answers_as_the_document_says(app: Local) -> None:
    said = document(app)
    for rule in ROUTES:
        if rule.method == "GET":
            path = rule.path.replace("{endpoint}", ENDPOINT)
            answer = app.ask("GET", path.replace("{version}", "1"))
            assert answer.status_code == 200
            conforms(said, "GET", path, answer)


VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6)
BODIES = st.recursive(
    VALUES | st.sampled_from([ROW, POISON, NAN, [ROW], {"inputs": [ROW]}, {"instances": [ROW, POISON]}]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["inputs", "instances", "dataframe_records", "dataframe_split", "columns", "data", "entities",
                         "labels", "prediction_id", "value", "name", "shape", "datatype", "params", *ROW]), inner,
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([rule for rule in ROUTES if rule.method == "POST"]), BODIES, st.sampled_from(["json", "csv"]))
def test_every_answer_to_a_post_is_one_that_the_document_knows(app: Local, rule: Any, sent: Any, kind: str) -> None:
    said = document(app)
    path = rule.path.replace("{endpoint}", ENDPOINT)
    headers = {"content-type": {"json": "application/json", "csv": "text/csv"}[kind]}
    answer = app.ask("POST", path.replace("{version}", "1"), json.dumps(sent).encode(), **headers)
    assert answer.status_code < 500 or answer.status_code == 503
    conforms(said, "POST", path, answer)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fast_path", [True, False], ids=["fast path", "asgi"])
def test_schemathesis_finds_no_fault(
    world: World, serve: Callable[..., Supervisor], tmp_path: Path, fast_path: bool
) -> None:
    world.route((1, 10_000))
    address = serve(world, workers=1, fast_path=fast_path).address
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    options = ["--checks", CHECKS, "--max-examples", "10", "--seed", "1", "--phases", "coverage,fuzzing", "--no-color"]
    program = [str(environment("schemathesis==4.32.5") / "schemathesis"), "run", f"{address}/openapi.json", *options]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout[-8_000:]


def test_body_of_the_document_fits_what_is_taken(app: Local) -> None:
    said = document(app)
    schema = said["paths"][f"/v1/models/{ENDPOINT}:predict"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**schema["schema"], "components": said["components"]})
    validator.validate(json.loads(body(ROW, {**ROW, "temp": None}, entities=["a", 7])))
    for wrong in ({**ROW, "tmep": 1}, {**ROW, "hour": "x"}, {"wet": True}, {**ROW, "temp": 1e39}):
        assert not validator.is_valid({"inputs": [wrong]})
        assert app.predict(wrong).status_code == 422
