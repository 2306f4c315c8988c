"""The Open Inference Protocol V2: JSON and binary tensors, pinned versions, what is wrong with them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detent.records.signature import Field, Signature
from detent.serving.formats.blobs import DTYPES, read_tensors
from detent.serving.formats.tensor_reader import tensor_reader
from detent.serving.formats.tensors import read_heads, typed_columns
from detent.serving.formats.v2 import V2
from detent.serving.problems import Problem
from detent.serving.rows.validate import MAX_ROWS, RowReader

from .builders import ENDPOINT, POISON, ROW, SIGNATURE, World, make_bundle, score_of
from .conftest import Local

Start = Callable[..., Local]
INFER = f"/v2/models/{ENDPOINT}/infer"
READER = RowReader(SIGNATURE)
NUMBERS = RowReader(
    Signature(inputs=tuple(Field(name=name, kind="number", nullable=name == "c") for name in "abc"), output="value")
)
DATATYPE = {"temp": "FP64", "hour": "INT64", "origin": "BYTES", "wet": "BOOL"}


@pytest.fixture
def app(world: World, local: Start) -> Local:
    world.route((1, 10_000))
    return local()


def tensor(name: str, datatype: str, *values: object, **more: object) -> dict[str, object]:
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": list(values), **more}


def tensors(*rows: dict[str, Any]) -> list[dict[str, object]]:
    """Rows as tensors, one per field."""
    return [tensor(name, DATATYPE[name], *(row[name] for row in rows)) for name in rows[0]]


def request(inputs: object, **more: object) -> bytes:
    return json.dumps({"inputs": inputs, **more}).encode()


def packed(values: list[Any], datatype: str) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(text)) + text for text in values)
    return np.array(values, DTYPES.get(datatype, "u1")).tobytes()


def binary(columns: dict[str, tuple[str, list[Any]]], **more: object) -> tuple[bytes, dict[str, str]]:
    """A binary request: (datatype, values) by name."""
    blobs = {name: packed(values, datatype) for name, (datatype, values) in columns.items()}
    inputs = [
        {"name": name, "shape": [len(values), 1], "datatype": datatype, "parameters": {"binary_data_size": len(blob)}}
        for (name, (datatype, values)), blob in zip(columns.items(), blobs.values(), strict=True)
    ]
    head = request(inputs, **more)
    return head + b"".join(blobs.values()), {"inference-header-content-length": str(len(head))}


FIT = {"temp": ("FP32", [1.5, np.nan]), "hour": ("INT32", [7, 8]), "origin": ("BYTES", [b"JFK", "Zürich".encode()]),
       "wet": ("BOOL", [0, 1])}  # fmt: skip


def patiently(reader: RowReader, body: bytes, blob: bytes | None = None) -> list[tuple[Any, ...]]:
    heads = read_heads(json.loads(body)["inputs"])
    return list(
        zip(*typed_columns(read_tensors(heads, None if blob is None else memoryview(blob)), reader), strict=True)
    )


def test_named_tensors_are_answered_with_scores_and_prediction_ids(app: Local) -> None:
    answer = app.ask("POST", INFER, request(tensors(ROW, {**ROW, "temp": None}), id="seven"))
    assert answer.status_code == 200
    said = answer.json()
    ids = said["parameters"].pop("prediction_ids")
    assert said == {
        "model_name": ENDPOINT,
        "model_version": "1",
        "id": "seven",
        "parameters": {"versions": [1, 1], "fallbacks": [False, False]},
        "outputs": [{"name": "score", "datatype": "FP64", "shape": [2], "data": [pytest.approx(score_of(1))] * 2}],
    }
    assert app.log()["id"].to_list() == ids


@pytest.mark.parametrize("names", [["wet", "hour", "temp", "origin"], ["hour", "wet"]])
def test_tensors_may_come_in_any_order_and_nullable_ones_may_be_left_out(app: Local, names: list[str]) -> None:
    answer = app.ask("POST", INFER, request([tensor(name, DATATYPE[name], ROW[name]) for name in names]))
    assert answer.json()["outputs"][0]["data"] == [pytest.approx(score_of(1))]


def test_binary_tensors_of_any_type_are_read_and_nan_is_null(app: Local) -> None:
    body, headers = binary(FIT)
    answer = app.ask("POST", INFER, body, **headers)
    assert answer.json()["outputs"][0]["shape"] == [2]
    logged = app.log()["inputs"].to_list()
    rows = [json.loads(row) if isinstance(row, str) else row for row in logged]
    assert rows == [
        {"temp": 1.5, "hour": 7, "origin": "JFK", "wet": False},
        {"temp": None, "hour": 8, "origin": "Zürich", "wet": True},
    ]


@pytest.mark.parametrize(
    "wish", [{"outputs": [{"name": "score", "parameters": {"binary_data": True}}]},
             {"parameters": {"binary_data_output": True}}]
)  # fmt: skip
def test_scores_come_as_bytes_when_asked_for(app: Local, wish: dict[str, object]) -> None:
    answer = app.ask("POST", INFER, request(tensors(ROW, ROW), **wish))
    size = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.content[:size])["outputs"][0]
    assert output == {"name": "score", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}}
    assert np.frombuffer(answer.content[size:], "<f8").tolist() == [pytest.approx(score_of(1))] * 2


@pytest.mark.parametrize("beside", [{"entities": ["anna", 7]}, {"entity": "anna"}])
def test_entities_come_in_the_parameters(app: Local, beside: dict[str, Any]) -> None:
    assert app.ask("POST", INFER, request(tensors(ROW, ROW), parameters=beside)).status_code == 200
    assert app.log()["entity"].to_list() == (["anna", "7"] if "entities" in beside else ["anna", "anna"])
    wrong = app.ask("POST", INFER, request(tensors(ROW), parameters={"entities": [{}, 1]})).json()
    assert [error["field"] for error in wrong["errors"]] == ["parameters.entities[0]", "parameters.entities"]


def test_a_row_without_a_score_makes_the_whole_answer_an_error(app: Local) -> None:
    for wish in ({}, {"parameters": {"binary_data_output": True}}):
        answer = app.ask("POST", INFER, request(tensors(ROW, POISON), **wish))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        said = answer.json()
        assert said["type"] == "urn:detent:problem:rows-failed"
        assert [error["field"] for error in said["errors"]] == ["row 1"]
        assert "1 of 2 rows" in said["error"]
    text = app.ask("GET", "/metrics").text
    assert 'detent_requests_total{endpoint="flights",status="5xx"} 2.0' in text


def test_a_fallback_is_marked(world: World, local: Start) -> None:
    world.route((7, 10_000), fallback=1)
    said = local().ask("POST", INFER, request(tensors(ROW))).json()
    assert said["parameters"]["fallbacks"] == [True]
    assert (said["model_version"], said["parameters"]["versions"]) == ("1", [1])


@pytest.mark.parametrize(
    ("version", "status", "kind"),
    [("1", 200, ""), ("2", 404, "unknown-version"), ("x", 404, "unknown-version"), ("01", 404, "unknown-version")],
)
def test_a_version_in_the_path_must_be_the_one_that_answers(app: Local, version: str, status: int, kind: str) -> None:
    answer = app.ask("POST", f"/v2/models/{ENDPOINT}/versions/{version}/infer", request(tensors(ROW)))
    assert answer.status_code == status
    assert answer.json().get("type", "").endswith(kind)
    assert app.ask("GET", f"/v2/models/{ENDPOINT}/versions/{version}/ready").status_code == status
    assert app.ask("GET", f"/v2/models/{ENDPOINT}/versions/{version}").status_code == status


def test_metadata_describes_the_signature_and_health_follows_the_routes(world: World, local: Start) -> None:
    app = local()
    assert app.ask("GET", "/v2/health/live").json() == {"live": True}
    assert app.ask("GET", "/v2/health/ready").status_code == 503
    assert app.ask("GET", f"/v2/models/{ENDPOINT}/ready").status_code == 503
    assert app.ask("GET", "/v2/models/boats/ready").status_code == 404
    assert "error" in app.ask("GET", "/v2/models/boats").json()
    world.route((1, 5_000), (2, 5_000))
    app.follow()
    assert app.ask("GET", "/v2/health/ready").json() == {"ready": True}
    said = app.ask("GET", f"/v2/models/{ENDPOINT}").json()
    assert said["versions"] == ["1", "2"]
    assert [(one["name"], one["datatype"], one["shape"]) for one in said["inputs"]] == [
        (name, datatype, [-1]) for name, datatype in DATATYPE.items()
    ]
    assert app.ask("GET", "/v2").json()["extensions"] == ["binary_tensor_data"]


def test_versions_with_other_inputs_are_read_one_by_one(world: World, local: Start, tmp_path: Any) -> None:
    fields = [
        Field(name=one.name, kind="number", nullable=True) if one.name == "hour" else one for one in SIGNATURE.inputs
    ]
    world.ship(4, make_bundle(tmp_path / "4", 4, signature=Signature(inputs=tuple(fields), output="probability")))
    world.route((1, 5_000), (4, 5_000))
    app = local()
    said = app.ask("POST", INFER, request(tensors(*[{**ROW, "origin": f"o{n}"} for n in range(40)]))).json()
    assert set(said["parameters"]["versions"]) == {1, 4}
    assert "model_version" not in said
    body, headers = binary(FIT)
    assert app.ask("POST", INFER, body, **headers).status_code == 200
    matrix = [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]}]
    assert app.ask("POST", INFER, request(matrix)).json()["errors"][0]["field"] == "inputs[0].shape"


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(FLOATS, FLOATS, FLOATS | st.none()), min_size=1, max_size=6)


@given(ROWS, st.sampled_from(["[n]", "[n,1]", "nested", "matrix", "nested matrix"]), st.permutations("abc"))
def test_all_ways_to_write_numbers_give_the_same_rows(rows: list[Any], way: str, order: list[str]) -> None:
    count = len(rows)
    if "matrix" in way:
        data: Any = [list(row) for row in rows] if "nested" in way else [value for row in rows for value in row]
        inputs = [{"name": "x", "shape": [count, 3], "datatype": "FP64", "data": data}]
    else:
        inputs = [
            {
                "name": name,
                "shape": [count] if way == "[n]" else [count, 1],
                "datatype": "FP32",
                "data": [[row["abc".index(name)]] if way == "nested" else row["abc".index(name)] for row in rows],
            }
            for name in order
        ]
    body = request(inputs)
    assert patiently(NUMBERS, body) == rows
    found = tensor_reader(NUMBERS).read(body)
    assert (found is None) == ("nested" in way or ("matrix" in way and any(None in row for row in rows)))
    if found is not None:
        assert found[0] == rows


@given(ROWS, st.sampled_from(["FP64", "FP32"]), st.booleans())
def test_binary_numbers_give_the_rows_of_json(rows: list[Any], datatype: str, matrix: bool) -> None:
    columns = [[np.nan if value is None else value for value in column] for column in zip(*rows, strict=True)]
    table = np.array(columns, DTYPES[datatype])
    blob = table.T.tobytes() if matrix else table.tobytes()
    shape = [len(rows), 3] if matrix else [len(rows)]
    names = ["x"] if matrix else list("abc")
    size = {"binary_data_size": len(blob) // len(names)}
    head = request([{"name": name, "shape": shape, "datatype": datatype, "parameters": size} for name in names])
    assert patiently(NUMBERS, head, blob) == rows
    found = tensor_reader(NUMBERS).read_binary(head, memoryview(blob))
    assert (found is None) == any(None in row for row in rows)
    if found is not None:
        assert found[0] == rows


TYPED = {
    "temp": st.sampled_from(["FP16", "FP32", "FP64", "INT8", "UINT64"]),
    "hour": st.sampled_from(["INT8", "INT64", "UINT32", "UINT64", "FP32"]),
    "origin": st.just("BYTES"),
    "wet": st.just("BOOL"),
}


@given(st.data(), st.integers(1, 4))
def test_binary_tensors_mean_the_same_on_the_quick_way_and_on_the_patient_one(data: st.DataObject, count: int) -> None:
    values = {"BYTES": st.text(max_size=4).map(str.encode), "BOOL": st.booleans()}
    number = st.integers(0, 100)
    columns = {}
    for name, datatypes in TYPED.items():
        datatype = data.draw(datatypes)
        one = values.get(datatype, number | st.just(np.nan) if name == "temp" and datatype[0] == "F" else number)
        columns[name] = (datatype, data.draw(st.lists(one, min_size=count, max_size=count)))
    body, headers = binary(columns)
    size = int(headers["inference-header-content-length"])
    expected = patiently(READER, body[:size], body[size:])
    found = tensor_reader(READER).read_binary(body[:size], memoryview(body)[size:])
    assert (found is None) == (columns["hour"][0] in ("UINT64", "FP32") or any(row[0] is None for row in expected))
    if found is not None:
        assert found[0] == expected
        assert [list(map(type, row)) for row in found[0]] == [list(map(type, row)) for row in expected]


GOOD = tensors(ROW)


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ([], "inputs"),
        ({"temp": 1}, "inputs"),
        ([7], "inputs[0]"),
        ([{"shape": [1], "datatype": "FP64", "data": [1]}], "inputs[0].name"),
        ([{**GOOD[0], "datatype": "FP128"}, *GOOD[1:]], "inputs[0].datatype"),
        ([{**GOOD[0], "datatype": "BYTES"}, *GOOD[1:]], "inputs[0].datatype"),
        ([{**GOOD[0], "shape": [-1]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [0]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [10**9, 10**9]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [1, 10**18]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [1, 1, 1]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [True]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [1.0]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [1, 2], "data": [1, 2]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [MAX_ROWS + 1]}, *GOOD[1:]], "inputs[0].shape"),
        ([{**GOOD[0], "shape": [2], "data": [1, 2]}, *GOOD[1:]], "inputs[1].shape"),
        ([{**GOOD[0], "data": [1, 2]}, *GOOD[1:]], "inputs[0].data"),
        ([{**GOOD[0], "data": {}}, *GOOD[1:]], "inputs[0].data"),
        ([{**GOOD[0], "data": ["x"]}, *GOOD[1:]], "inputs[0].data[0]"),
        ([{**GOOD[0], "data": [1e39]}, *GOOD[1:]], "inputs[0].data[0]"),
        ([{**GOOD[0], "data": [True]}, *GOOD[1:]], "inputs[0].data[0]"),
        ([GOOD[0], {**GOOD[1], "data": [7.5]}, *GOOD[2:]], "inputs[1].data[0]"),
        ([GOOD[0], {**GOOD[1], "data": [float("nan")]}, *GOOD[2:]], "inputs[1].data[0]"),
        ([*GOOD[:2], {**GOOD[2], "data": ["x" * 10_001]}, GOOD[3]], "inputs[2].data[0]"),
        ([*GOOD[:3], {**GOOD[3], "data": [1]}], "inputs[3].data[0]"),
        ([*GOOD, GOOD[0]], "inputs[4].name"),
        ([*GOOD, tensor("tmep", "FP64", 1.0)], "inputs[4].name"),
        (GOOD[:1], "inputs"),
        ([tensor(f"x{n}", "FP64", 1.0) for n in range(5_000)], "inputs[0].name"),
        ([tensor(f"x{n}", "FP64", 1.0) for n in range(10_001)], "inputs"),
        ([{**GOOD[0], "data": None, "parameters": {"binary_data_size": 8}}, *GOOD[1:]], "inputs[0].data"),
        ([{**GOOD[0], "parameters": 7, "data": ["x"]}, *GOOD[1:]], "inputs[0].parameters"),
    ],
)
def test_what_is_wrong_with_tensors_is_said_with_the_field(app: Local, inputs: object, field: str) -> None:
    answer = app.ask("POST", INFER, request(inputs))
    assert answer.status_code == 422
    said = answer.json()
    assert said["errors"][0]["field"] == field
    assert said["error"].startswith(said["title"])
    assert len(said["errors"]) <= 20
    assert len(answer.content) < 20_000
    assert app.log().height == 0


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"id": 7}, "id"),
        ({"parameters": []}, "parameters"),
        ({"outputs": [{"name": "label"}]}, "outputs[0].name"),
        ({"outputs": [{"name": "score"}, {"name": "score"}]}, "outputs[1].name"),
        ({"outputs": [{}]}, "outputs[0]"),
        ({"outputs": [{"name": "score", "parameters": {"classification": 2}}]}, "outputs[0].parameters.classification"),
    ],
)
def test_what_is_wrong_beside_the_tensors_is_said_with_the_field(app: Local, more: Any, field: str) -> None:
    answer = app.ask("POST", INFER, request(GOOD, **more))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def change(columns: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**columns, **changes}


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        (change(FIT, hour=("FP32", [7.5, 8])), "inputs[1].data[0]"),
        (change(FIT, hour=("UINT64", [2**63, 8])), "inputs[1].data[0]"),
        (change(FIT, hour=("FP64", [7, np.nan])), "inputs[1].data[1]"),
        (change(FIT, temp=("FP32", [np.inf, 1])), "inputs[0].data[0]"),
        (change(FIT, temp=("FP16", [1, -np.inf])), "inputs[0].data[1]"),
        (change(FIT, temp=("FP64", [1, 1e39])), "inputs[0].data[1]"),
        (change(FIT, wet=("BOOL", [0, 2])), "inputs[3].data"),
        (change(FIT, origin=("BYTES", [b"\xff\xfe", b"x"])), "inputs[2].data[0]"),
        (change(FIT, origin=("BYTES", [b"x" * 50_000, b"x"])), "inputs[2].data[0]"),
    ],
)
def test_what_is_wrong_with_binary_values_is_said_with_the_field(app: Local, columns: Any, field: str) -> None:
    body, headers = binary(columns)
    answer = app.ask("POST", INFER, body, **headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("blob", "field"),
    [
        (b"", "inputs[0].parameters.binary_data_size"),
        (b"\xff\xff\xff\xffJFK", "inputs[0].data[0]"),
        (b"\x03\0\0\0JF", "inputs[0].data[0]"),
        (b"\x03\0", "inputs[0].data[0]"),
        (b"\x01\0\0\0J\x01\0\0\0K", "inputs[0].parameters.binary_data_size"),
        (b"\x01\0\0\0J\0", "inputs[0].parameters.binary_data_size"),
    ],
)
def test_strings_with_lying_lengths_are_refused(app: Local, blob: bytes, field: str) -> None:
    size = {"binary_data_size": len(blob)}
    head = request([{"name": "origin", "shape": [1], "datatype": "BYTES", "parameters": size}])
    answer = app.ask("POST", INFER, head + blob, **{"inference-header-content-length": str(len(head))})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("size", [0, 7, 9, 10**6, -1, 2**70, "8", True, 1.5])
def test_sizes_that_do_not_fit_are_refused(app: Local, size: object) -> None:
    head = request([{"name": "temp", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": size}}])
    answer = app.ask("POST", INFER, head + bytes(8), **{"inference-header-content-length": str(len(head))})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("inputs")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999", "1000000", ""])
def test_a_header_length_that_can_not_be_right_is_refused(app: Local, length: str) -> None:
    answer = app.ask("POST", INFER, request(GOOD), **{"inference-header-content-length": length})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "inference-header-content-length"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"null", b"{", b'"inputs"', b'{"inputs": [NaN', b'{"inputs": Infinity}', b"\xff\xfe{",
     b'{"inputs": ' + b"[" * 100_000, b'{"a' + b'\\"' * 100_000 + b"NaN", b'{"inputs": [{"name": "\xff"}]}',
     b'{"inputs": [{"shape": [1' + b"0" * 400 + b"]}]}"],
)  # fmt: skip
def test_what_is_no_request_at_all_is_a_problem_of_the_caller(app: Local, body: bytes) -> None:
    answer = app.ask("POST", INFER, body)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"error", "type", "title", "status", "detail", "errors"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["temp", "hour", "origin", "wet", "x"]) | VALUES,
        "shape": st.lists(st.integers(-1, 3) | st.just(10**18), max_size=3) | VALUES,
        "datatype": st.sampled_from(["FP64", "FP16", "INT64", "UINT8", "BOOL", "BYTES"]) | VALUES,
        "data": st.lists(VALUES, max_size=3) | VALUES,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 30) | VALUES}) | VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(TENSORS | st.sampled_from(GOOD), max_size=5) | VALUES,
    st.none() | st.binary(max_size=40),
    st.sampled_from([READER, NUMBERS]),
)
def test_no_tensors_make_a_server_error(inputs: Any, blob: bytes | None, reader: RowReader) -> None:
    head = request(inputs)
    headers = {} if blob is None else {b"inference-header-content-length": str(len(head)).encode()}
    for one in (reader, None):
        try:
            asked = V2().read(None, one, head + (blob or b""), headers)  # type: ignore[arg-type]
        except Problem as problem:
            caught = problem
        else:
            assert 1 <= len(asked.rows) <= MAX_ROWS
            continue
        assert caught.status in (400, 422)
        assert caught.errors
