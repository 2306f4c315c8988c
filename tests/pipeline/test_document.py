"""The graph document: everything that executors read, as one JSON blob."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.errors import ProjectError, TamperedError
from detent.pipeline.document import Document, decode, encode, from_json, load_document, store_document, to_json
from detent.pipeline.frame import framed_digest
from detent.pipeline.nodes import Condition, Graph, Node, Port, RecordPort
from detent.pipeline.options import Options
from detent.store.blobs import Blobs, open_blobs
from detent.store.canonical import canonical


def simple(name: str, *outputs: str) -> Node:
    return Node(
        name=name, module="steps", attribute=name, file="steps.py", arguments=(), outputs=outputs, record=False
    )  # fmt: skip


NODES = (
    simple("split", "result"),
    simple("halve", "low", "high"),
    simple("check", "result"),
    simple("other", "flag"),
    Node(
        name="train",
        module="steps",
        attribute="train",
        file="steps.py",
        arguments=(
            ("both", {"left": [RecordPort("steps:Halves", (("low", Port("halve", "low")),))], 3: (1, 2.5)}),
            ("rows", Port("flights", "")),
        ),
        over=(("part", Port("split", "result")), ("seed", [1, 2])),
        conditions=(Condition(Port("check", "result"), "large"), Condition(Port("other", "flag"), True)),
        outputs=("model", "score"),
        record=True,
        options=Options(
            retries=2, timeout=60.0, memory=2**30, gpu=1, env=("MODE",), files=("a/*.sql",), changes="ttl 6h"
        ),
    ),
)
GRAPH = Graph(
    name="flow", module="pipeline", attribute="flow", inputs=("flights",), nodes=NODES,
    results=(("model", Port("train", "model")),),
)  # fmt: skip
DOCUMENT = Document(graph=GRAPH, bundle="b" * 64)

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.dates() | st.datetimes() | st.datetimes(timezones=st.just(UTC)) | st.timedeltas()
    | st.decimals(allow_nan=False)
)  # fmt: skip
hashable = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.dictionaries(hashable, inner) | st.lists(inner).map(tuple)
        | st.sets(hashable) | st.frozensets(hashable)
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(str(tmp_path / "blobs"))


def test_a_document_comes_back_from_its_blob_as_it_was(blobs: Blobs) -> None:
    digest = store_document(DOCUMENT, blobs)
    assert load_document(digest, blobs) == DOCUMENT
    assert store_document(from_json(to_json(DOCUMENT)), blobs) == digest


@given(values)
def test_every_argument_that_can_be_compared_comes_back_equal_and_of_its_type(value: Any) -> None:
    again = decode(json.loads(canonical(encode(value))))
    assert framed_digest(again) == framed_digest(value)


@pytest.mark.parametrize(
    "value",
    [
        {"$": "port", "value": ["a", "b"]}, {"a": {"$": 1}}, -0.0, float("nan"), float("-inf"), 10**40, True,
        1, 1.0, "1",
        (1, (2,)), {1: "a", "1": "b"}, {(1, 2): 3}, b"\xff", date(2024, 2, 29), timedelta(microseconds=1),
        Decimal("1.10"), datetime(2024, 1, 1, tzinfo=UTC),
    ],
)  # fmt: skip
def test_awkward_arguments_keep_their_type(value: Any) -> None:
    assert framed_digest(decode(json.loads(canonical(encode(value))))) == framed_digest(value)


@pytest.mark.parametrize("value", [object(), [object()], {"a": print}, "\ud800"])
def test_an_argument_without_a_form_is_refused(value: object) -> None:
    with pytest.raises(ProjectError, match="can't stand in a graph"):
        encode(value)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"format": "detent.graph.v0"}', b'{"format": "detent.graph.v1"}']
)
def test_what_is_no_document_is_refused(data: bytes, blobs: Blobs) -> None:
    with pytest.raises(TamperedError, match="no graph document"):
        load_document(blobs.put(data), blobs)


def test_a_step_is_found_by_name_and_a_misspelt_one_suggests_the_right_one() -> None:
    assert DOCUMENT.node("train") is NODES[-1]
    with pytest.raises(ProjectError, match="did you mean `train`"):
        DOCUMENT.node("trian")
