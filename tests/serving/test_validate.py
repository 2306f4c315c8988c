from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.serving.problems import Problem
from detent.serving.rows.validate import MAX_ROWS, MAX_TEXT, RowReader, read_loosely

from .builders import ROW, SIGNATURE, body

READER = RowReader(SIGNATURE)
HUGE = b"9" * 400


def test_a_good_row_becomes_typed_values() -> None:
    request = READER.read(body(ROW, {**ROW, "temp": 3, "origin": None}))
    assert request.rows == [(-5.0, 7, "JFK", False), (3.0, 7, None, False)]
    assert type(request.rows[1][0]) is float
    assert request.entities is None


def test_a_nullable_field_may_be_left_out() -> None:
    assert READER.read(body({"hour": 1, "wet": True})).rows == [(None, 1, None, True)]


def test_a_whole_number_written_with_a_point_is_an_integer() -> None:
    assert READER.read(body({**ROW, "hour": 2.0})).rows[0][1] == 2


def test_of_a_repeated_key_the_last_value_counts() -> None:
    assert READER.read(b'{"inputs": [{"hour": 1, "hour": 2, "wet": true}]}').rows[0][1] == 2


def test_entities_stand_beside_the_rows() -> None:
    assert READER.read(body(ROW, ROW, entities=["a", 5])).entities == ["a", 5]


def row_with(**changes: Any) -> bytes:
    return body({**ROW, **changes})


@pytest.mark.parametrize(
    ("sent", "status", "field", "words"),
    [
        (row_with(tmep=1), 422, "inputs[0].tmep", "did you mean `temp`"),
        (body({"temp": 1, "wet": True}), 422, "inputs[0].hour", "missing"),
        (row_with(hour=None), 422, "inputs[0].hour", "null"),
        (row_with(temp="12"), 422, "inputs[0].temp", "a string ('12'); it must be a number"),
        (row_with(temp=True), 422, "inputs[0].temp", "it is true; it must be a number"),
        (row_with(hour=True), 422, "inputs[0].hour", "it must be an integer"),
        (row_with(origin=5), 422, "inputs[0].origin", "it must be a string"),
        (row_with(wet=1), 422, "inputs[0].wet", "it must be true or false"),
        (row_with(wet="yes"), 422, "inputs[0].wet", "it must be true or false"),
        (row_with(hour=1.5), 422, "inputs[0].hour", "1.5 is not an integer"),
        (row_with(hour=2**63), 422, "inputs[0].hour", "too large"),
        (row_with(temp=1e39), 422, "inputs[0].temp", "too large"),
        (row_with(temp=10**300), 422, "inputs[0].temp", "too large"),
        (row_with(origin="x" * (MAX_TEXT + 1)), 422, "inputs[0].origin", "10,001 characters"),
        (row_with(temp={"a": 1}), 422, "inputs[0].temp", "an object"),
        (row_with(temp=[1]), 422, "inputs[0].temp", "a list"),
        (body(ROW, {**ROW, "hour": "x"}), 422, "inputs[1].hour", "it must be an integer"),
        (body(), 422, "inputs", "it is empty"),
        (b"{}", 422, "inputs", "it is missing"),
        (b'{"inputs": null}', 422, "inputs", "it is null"),
        (b'{"inputs": {"temp": 1}}', 422, "inputs", "it is an object"),
        (b'{"inputs": [1]}', 422, "inputs[0]", "a row is an object"),
        (b'{"inputs": [[1]]}', 422, "inputs[0]", "a row is an object"),
        (b"[]", 422, "", "the body is a list"),
        (b"null", 422, "", "the body is null"),
        (b'"text"', 422, "", "the body is a string"),
        (b'{"inputs": [{"temp": 1, "wet": true, "hour": 1}], "input": 1}', 422, "input", "did you mean `inputs`"),
        (body(*[ROW] * (MAX_ROWS + 1)), 422, "inputs", "1,001 rows"),
        (body(ROW, entities=["a", "b"]), 422, "entities", "2 for 1 row;"),
        (body(ROW, entities="a"), 422, "entities", "a list"),
        (body(ROW, entities=[1.5]), 422, "entities[0]", "a string or an integer"),
        (body(ROW, entities=[True]), 422, "entities[0]", "a string or an integer"),
        (b'{"inputs": [{"temp": 1e999, "hour": 1, "wet": true}]}', 422, "inputs[0].temp", "out of range"),
        (b'{"inputs": [{"temp": ' + HUGE + b', "hour": 1, "wet": true}]}', 422, "inputs[0].temp", "too large"),
        (b'{"inputs": [{"hour": ' + HUGE * 20 + b', "temp": 1, "wet": true}]}', 422, "inputs[0].hour", ""),
        (b'{"inputs": [{"temp": NaN}]}', 400, "", "malformed"),
        (b'{"inputs": [{"temp": -Infinity}]}', 400, "", "malformed"),
        (b"", 400, "", "truncated"),
        (b"not json", 400, "", "malformed"),
        (body(ROW)[:-1], 400, "", "truncated"),
        (body(ROW) + b"x", 400, "", "trailing"),
        (b"\xef\xbb\xbf" + body(ROW), 400, "", "malformed"),
        (b'{"inputs": [{"origin": "\xff\xfe", "hour": 1, "wet": true}]}', 400, "", "UTF-8"),
        (b'{"inputs": [{"origin": "\\ud800", "hour": 1, "wet": true}]}', 400, "", ""),
        (b"[" * 100_000, 400, "", "nested too deeply"),
        (b'{"inputs":' * 50_000, 400, "", "nested too deeply"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_by_name(sent: bytes, status: int, field: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        READER.read(sent)
    assert caught.value.status == status
    assert caught.value.errors[0].field == field
    assert words in caught.value.errors[0].message


def test_nan_is_answered_with_what_to_send_instead() -> None:
    with pytest.raises(Problem, match="not JSON") as caught:
        READER.read(b'{"inputs": [{"temp": NaN}]}')
    assert "send null" in caught.value.fix


def test_every_wrong_field_is_named_at_once_up_to_a_limit() -> None:
    with pytest.raises(Problem) as caught:
        READER.read(body(*[{**ROW, "temp": "x", "hour": None}] * 30))
    assert len(caught.value.errors) == 20
    assert "60 errors" in caught.value.why


def must_be_of_the_caller(problem: Problem) -> None:
    assert 400 <= problem.status < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
rows = st.fixed_dictionaries({}, optional={field.name: json_values for field in SIGNATURE.inputs})


@given(st.lists(rows | json_values, max_size=3))
def test_whatever_is_sent_the_fast_way_and_the_careful_way_agree(inputs: list[Any]) -> None:
    sent = json.dumps({"inputs": inputs}).encode()
    try:
        fast = READER.read(sent).rows
    except Problem as problem:
        return must_be_of_the_caller(problem)
    loose = read_loosely(sent)
    careful = [READER.convert(row, "row") for row in loose.rows]
    assert [errors for _, errors in careful] == [[]] * len(inputs)
    assert [values for values, _ in careful] == fast


@given(st.binary(max_size=300))
def test_any_bytes_are_either_rows_or_a_problem_of_the_caller(sent: bytes) -> None:
    try:
        READER.read(sent)
    except Problem as problem:
        must_be_of_the_caller(problem)
