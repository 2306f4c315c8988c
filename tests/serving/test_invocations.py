"""MLflow's `/invocations`: the same answers as MLflow's own scoring server on the same bundle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import mlflow.pyfunc
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from detent.records.route import Arm, Route
from detent.serving import places
from detent.serving.formats.frame_reader import frame_reader
from detent.serving.formats.invocations import Invocations
from detent.serving.pages.routes import RoutePage
from detent.serving.problems import Problem
from detent.serving.rows.validate import MAX_ROWS, RowReader
from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, MODEL, POISON, ROW, SIGNATURE, World, score_of
from .conftest import Local

Start = Callable[..., Local]
READER = RowReader(SIGNATURE)
OTHER = {"temp": None, "hour": 8, "origin": "EWR", "wet": True}
CSV = {"content-type": "text/csv"}


@pytest.fixture
def app(world: World, local: Start) -> Local:
    world.route((1, 10_000))
    return local()


def split(*rows: dict[str, Any], names: list[str] | None = None) -> dict[str, Any]:
    names = names or list(ROW)
    return {"dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in rows]}}


def columns(*rows: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in ROW}


def ask(app: Local, body: object, path: str = "/invocations") -> httpx.Response:
    return app.ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())


SHAPES = {
    "dataframe_split": split(ROW, OTHER),
    "dataframe_split with an index": {
        "dataframe_split": {**split(ROW, OTHER)["dataframe_split"], "index": [5, 6]}, "params": {"x": 1},
    },
    "dataframe_split in another order": split(ROW, OTHER, names=["wet", "temp", "origin", "hour"]),
    "dataframe_records": {"dataframe_records": [ROW, OTHER]},
    "instances": {"instances": [ROW, {**OTHER, "temp": 1.0}]},
    "inputs": {"inputs": columns(ROW, {**OTHER, "temp": 1.0})},
    "inputs as records": {"inputs": [ROW, {**OTHER, "temp": 1.0}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def mlflow_server(bundles: dict[int, Path]) -> Callable[[bytes, str], httpx.Response]:
    """The application that `mlflow models serve` runs, with the bundle of version 1."""
    app = scoring_server.init(mlflow.pyfunc.load_model(str(bundles[1])))

    def post(body: bytes, kind: str) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mlflow") as client:
                return await client.post("/invocations", content=body, headers={"content-type": kind})

        return asyncio.run(send())

    return post


@pytest.mark.parametrize("name", SHAPES)
def test_the_json_shapes_are_answered_as_mlflow_does(app: Local, mlflow_server: Any, name: str) -> None:
    body = json.dumps(SHAPES[name]).encode()
    theirs, ours = mlflow_server(body, "application/json"), app.ask("POST", "/invocations", body)
    assert theirs.status_code == ours.status_code == 200
    assert ours.json() == theirs.json()
    assert len(ours.json()["predictions"]) == 2
    assert ours.headers["x-versions"] == "1"
    assert ours.headers["x-prediction-ids"].split(",") == app.log()["id"].to_list()


@pytest.mark.parametrize("index", [True, False])
def test_csv_is_answered_as_mlflow_does(app: Local, mlflow_server: Any, index: bool) -> None:
    body = pd.DataFrame([ROW, OTHER]).to_csv(index=index).encode()
    theirs, ours = mlflow_server(body, "text/csv"), app.ask("POST", "/invocations", body, **CSV)
    assert theirs.status_code == ours.status_code == 200
    assert ours.json() == theirs.json()
    logged = [json.loads(row) if isinstance(row, str) else row for row in app.log()["inputs"]]
    assert logged == [ROW, OTHER]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"{}", b'{"rows": []}', json.dumps({**split(ROW), "instances": [ROW]}).encode(),
     b'{"dataframe_split": []}', b'{"dataframe_records": {}}', b'{"instances": [{"hour": 1}]}'],
)  # fmt: skip
def test_what_mlflow_refuses_is_refused(app: Local, mlflow_server: Any, body: bytes) -> None:
    ours = ask(app, body)
    assert mlflow_server(body, "application/json").status_code == 400
    assert ours.status_code in (400, 422)
    assert {"error_code", "message", "errors"} <= ours.json().keys()


def test_all_shapes_give_the_same_rows_on_the_quick_way_and_on_the_patient_one(app: Local) -> None:
    for name, body in SHAPES.items():
        quick = frame_reader(READER).read(json.dumps(body).encode())
        assert (quick is None) == (name in ("inputs as records", "dataframe_split in another order")), name
        if quick is not None:
            expected = tuple(ROW.values())
            assert quick.rows[0] == expected
            strange = json.dumps({**body, "params": {"entity": float("nan")}}).encode()  # NaN: the patient way
            read = Invocations().read(None, READER, strange, {})  # type: ignore[arg-type]
            assert read.rows == quick.rows


def test_rows_without_names_are_in_the_order_of_the_signature(app: Local) -> None:
    for key in ("instances", "inputs"):
        answer = ask(app, {key: [list(ROW.values()), list(OTHER.values())]})
        assert answer.json() == {"predictions": [pytest.approx(score_of(1))] * 2}
    assert ask(app, {"instances": [[1, 2]]}).json()["errors"][0]["field"] == "instances[0]"


def test_details_and_entities_are_asked_for_in_the_params(app: Local) -> None:
    params = {"details": True, "entities": ["anna", 7]}
    said = ask(app, {**SHAPES["dataframe_split"], "params": params}).json()
    assert said["prediction_ids"] == app.log()["id"].to_list()
    assert (said["versions"], said["fallbacks"]) == ([1, 1], [False, False])
    assert app.log()["entity"].to_list() == ["anna", "7"]
    many = ask(app, {"dataframe_records": [ROW] * 51})
    assert "x-prediction-ids" not in many.headers


def test_a_fallback_is_marked_and_a_row_without_a_score_is_an_error(world: World, local: Start) -> None:
    world.route((7, 10_000), fallback=1)
    app = local()
    answer = ask(app, {"instances": [ROW]})
    assert (answer.headers["x-fallback-rows"], answer.headers["x-versions"]) == ("0", "1")
    failed = ask(app, {"instances": [ROW, POISON]})
    assert (failed.status_code, failed.json()["error_code"]) == (503, "INTERNAL_ERROR")
    assert failed.json()["errors"][0]["field"] == "row 1"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (split(ROW, names=["temp", "hour", "origin", "wet", "wet"]), "dataframe_split.columns"),
        ({"dataframe_split": {"columns": ["temp"], "data": [[1, 2]]}}, "dataframe_split.data[0]"),
        ({"dataframe_split": {"columns": [1], "data": [[1]]}}, "dataframe_split.columns"),
        ({"dataframe_split": {"columns": list(ROW), "data": []}}, "dataframe_split"),
        ({"dataframe_split": {"columns": [f"x{n}" for n in range(5_000)], "data": [[1] * 5_000]}},
         "dataframe_split[0].x0"),
        ({"dataframe_records": [{**ROW, "hour": "x"}]}, "dataframe_records[0].hour"),
        ({"dataframe_records": [ROW, 7]}, "dataframe_records[1]"),
        ({"dataframe_records": [ROW] * (MAX_ROWS + 1)}, "dataframe_records"),
        ({"instances": [{**ROW, "tmep": 1}]}, "instances[0].tmep"),
        ({"instances": [{**ROW, "hour": float("nan")}]}, "instances[0].hour"),
        ({"instances": [{**ROW, "origin": "x" * 10_001}]}, "instances[0].origin"),
        ({"inputs": {**columns(ROW, OTHER), "hour": [7]}}, "inputs.temp"),
        ({"inputs": {name: [1] * 2_000 for name in ROW}}, "inputs"),
        ({"instances": [ROW], "inputs": [ROW]}, "inputs"),
        ({"instances": [ROW], "parms": {}}, "parms"),
        ({"instances": [ROW], "params": []}, "params"),
        ({"instances": [ROW], "params": {"entities": [1, 2]}}, "params.entities"),
        ({}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_frames_is_said_with_the_field(app: Local, body: object, field: str) -> None:
    answer = ask(app, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert len(answer.content) < 20_000
    assert app.log().height == 0


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 422, ""),
        (b"temp,hour,origin,wet\n", 422, ""),
        (b"temp,hour,origin,wet\n1,2\n", 422, "line 2"),
        (b"hour,hour\n1,2\n", 422, "hour"),
        (b"temp,hour,origin,wet\n1,x,JFK,True\n", 422, "rows[0].hour"),
        (b"temp,hour,origin,wet\n1_0,7,JFK,True\n", 422, "rows[0].temp"),
        (b"temp,hour,origin,wet\ninf,7,JFK,True\n", 422, "rows[0].temp"),
        (b"temp,hour,origin,wet\n1,7.5,JFK,True\n", 422, "rows[0].hour"),
        (b"temp,hour,origin,wet\n1,7,JFK,maybe\n", 422, "rows[0].wet"),
        (b"temp,hour,origin,wet\n1," + b"9" * 5_000 + b",JFK,True\n", 422, "rows[0].hour"),
        (b"temp,hour,origin,wet\n1,,JFK,True\n", 422, "rows[0].hour"),
        (b"temp,hour,origin,wet\n" + b"1,7,JFK,True\n" * (MAX_ROWS + 1), 422, ""),
        (b'temp,hour\n1,"x"y\n', 400, ""),
        (b'temp,hour\n1,"' + b"x" * 200_000 + b'"\n', 400, ""),
        (b"\xff\xfet\0e\0", 400, ""),
    ],
)
def test_what_is_wrong_with_csv_is_said_with_the_field(app: Local, body: bytes, status: int, field: str) -> None:
    answer = app.ask("POST", "/invocations", body, **CSV)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json", 200), ("application/json; charset=UTF-8", 200), ("application/json; charset=latin-1", 415),
     ("application/vnd.apache.parquet", 415), ("text/plain", 415), ("application/json; foo=1", 415)],
)  # fmt: skip
def test_only_json_and_csv_in_utf_8_are_read(app: Local, kind: str, status: int) -> None:
    body = json.dumps(SHAPES["instances"]).encode()
    assert app.ask("POST", "/invocations", body, **{"content-type": kind}).status_code == status


def test_with_several_endpoints_the_path_has_to_name_one(world: World, local: Start) -> None:
    app = local()
    assert ask(app, SHAPES["instances"]).status_code == 503
    arms = (Arm(version=1, weight=10_000),)
    page = RoutePage(places.route_page(world.state))
    page.write(
        [
            Route(endpoint=name, model=MODEL, seq=1, arms=arms, shadows=(), fallback=None, loaded=(1,), salt="s")
            for name in (ENDPOINT, "second")
        ]
    )
    app.follow()
    refused = ask(app, SHAPES["instances"])
    assert refused.status_code == 400
    assert "/endpoints/{endpoint}/invocations" in refused.json()["message"]
    for name in (ENDPOINT, "second"):
        assert ask(app, SHAPES["instances"], f"/endpoints/{name}/invocations").status_code == 200
    assert ask(app, SHAPES["instances"], "/endpoints/third/invocations").status_code == 404
    assert set(app.log()["endpoint"].to_list()) == {ENDPOINT, "second"}


def test_mlflow_s_own_clients_are_answered(world: World, serve: Callable[..., Supervisor]) -> None:
    world.route((1, 10_000))
    address = httpx.URL(serve(world, workers=1).address)
    client = ScoringServerClient(address.host, address.port)
    client.wait_server_ready(timeout=10)
    assert client.get_version() == mlflow.__version__
    frame = pd.DataFrame([ROW, OTHER])
    assert client.invoke(frame).get_predictions().to_numpy().ravel() == pytest.approx([score_of(1)] * 2)
    with pytest.raises(Exception, match="unknown field"):
        client.invoke(frame.rename(columns={"temp": "tmep"}))
    deployed = get_deploy_client(str(address))
    assert deployed is not None
    said = deployed.predict(endpoint=ENDPOINT, inputs=split(ROW))
    assert said == {"predictions": [pytest.approx(score_of(1))]}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(ROW)) | st.text(), inner),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"]), VALUES)
    | st.builds(lambda names, data: {"dataframe_split": {"columns": names, "data": data}}, VALUES, VALUES),
    st.booleans(),
)
def test_no_frame_makes_a_server_error(body: Any, typed: bool) -> None:
    must_be_fine(json.dumps(body).encode(), {}, READER if typed else None)


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text(alphabet='temp,hour origin wet\n"1.-\r\0').map(str.encode))
def test_no_csv_makes_a_server_error(body: bytes) -> None:
    must_be_fine(body, {b"content-type": b"text/csv"}, READER)
    must_be_fine(b"temp,hour,origin,wet\n" + body, {b"content-type": b"text/csv"}, READER)


def must_be_fine(body: bytes, headers: dict[bytes, bytes], reader: RowReader | None) -> None:
    try:
        asked = Invocations().read(SimpleNamespace(versions={}), reader, body, headers)  # type: ignore[arg-type]
    except Problem as problem:
        caught = problem
    else:
        assert 1 <= len(asked.rows) <= MAX_ROWS
        return
    assert caught.status in (400, 422)
    assert caught.errors
