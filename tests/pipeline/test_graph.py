from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from detent.errors import ProjectError
from detent.pipeline import Candidate, pipeline, step
from detent.pipeline.graph import build
from detent.pipeline.nodes import Port, RecordPort


class Halves(NamedTuple):
    left: list[int]
    right: list[int]


@dataclass(frozen=True)
class Summary:
    total: int
    rows: list[int]


@step
def clean(rows: list[int], floor: int = 0) -> list[int]:
    return [row for row in rows if row >= floor]


@step(retries=2, timeout=60)
def halve(rows: list[int]) -> Halves:
    return Halves(rows[:1], rows[1:])


@step
def summarise(rows: object) -> Summary:
    return Summary(1, [])


@pipeline
def flow(rows: Any, floor: int, extra: int = 7) -> Candidate:
    cleaned = clean(rows, floor)
    parts = halve(clean(cleaned, floor=extra))
    return Candidate(model=summarise({"both": [parts, cleaned]}).total, train=parts.left, evaluation=parts.right)


def test_outside_a_pipeline_steps_and_pipelines_are_plain_functions() -> None:
    assert clean([1, -1]) == [1]
    assert clean.__name__ == "clean"
    assert halve([1, 2]) == Halves([1], [2])
    assert flow([3, 8, 9], 1).train == [8]


def test_the_body_becomes_nodes_in_the_order_of_the_calls() -> None:
    graph = build(flow, inputs=["rows", "weather"], params={"floor": 2})
    assert [node.name for node in graph.nodes] == ["clean", "clean-2", "halve", "summarise"]
    assert graph.inputs == ("rows",)
    first, second, half, summary = graph.nodes
    assert first.arguments == (("floor", 2), ("rows", Port("rows", "")))
    assert second.arguments == (("floor", 7), ("rows", Port("clean", "result")))
    assert (half.options.retries, half.options.timeout, half.outputs, half.record) == (2, 60, ("left", "right"), True)
    whole = RecordPort(f"{__name__}:Halves", (("left", Port("halve", "left")), ("right", Port("halve", "right"))))
    assert summary.arguments == (("rows", {"both": [whole, Port("clean", "result")]}),)
    assert set(summary.upstream) == {Port("halve", "left"), Port("halve", "right"), Port("clean", "result")}
    results = dict(graph.results)
    assert results["train"] == Port("halve", "left")
    assert results.keys() == {"model", "train", "evaluation"}


def test_a_dataclass_gives_its_fields_and_a_dict_or_one_output_may_be_returned() -> None:
    assert dict(build(pipeline(lambda rows: summarise(rows)), inputs=["rows"], params={}).results) == {
        "total": Port("summarise", "total"),
        "rows": Port("summarise", "rows"),
    }
    assert dict(build(pipeline(lambda rows: {"a": clean(rows)}), inputs=["rows"], params={}).results) == {
        "a": Port("clean", "result")
    }
    assert dict(build(lambda rows: clean(rows), inputs=["rows"], params={}).results) == {
        "result": Port("clean", "result")
    }


MISUSES: dict[str, Callable[[Any], object]] = {
    "used as a condition": lambda rows: 1 if clean(rows) else 2,
    "looped over or unpacked": lambda rows: list(clean(rows)),
    "asked for its length": lambda rows: len(clean(rows)),
    "asked for `.height`": lambda rows: clean(rows).height,  # type: ignore[attr-defined]
    "computed with": lambda rows: clean(rows) + 1,  # type: ignore[operator]
    "computed with ": lambda rows: clean(rows) == [1],
    "computed with  ": lambda rows: clean(rows)[0],
    "computed with   ": lambda rows: f"{clean(rows)}",
    "computed with    ": lambda rows: 1 in clean(rows),
    "looped over or unpacked ": lambda rows: [*clean(rows)],
    "has no output `lft`": lambda rows: halve(rows).lft,  # type: ignore[attr-defined]
    "is asked for `.columns`": lambda rows: rows.columns,
}


@pytest.mark.parametrize("problem", MISUSES)
def test_a_promise_used_as_a_value_says_how_to_do_it_and_where(problem: str) -> None:
    with pytest.raises(ProjectError) as caught:
        build(MISUSES[problem], inputs=["rows"], params={})
    assert problem.strip() in caught.value.what
    assert caught.value.where is not None
    assert caught.value.where.file == __file__


def test_a_misspelt_output_suggests_the_right_one() -> None:
    with pytest.raises(ProjectError) as caught:
        build(MISUSES["has no output `lft`"], inputs=["rows"], params={})
    assert caught.value.fix == "did you mean `left`?"


def test_tools_that_probe_objects_see_an_ordinary_absence() -> None:
    def probe(rows: Any) -> object:
        assert not hasattr(rows, "__array__")
        copy.copy(rows)
        assert "output of rows" in repr(rows)
        return clean(rows)

    assert len(build(probe, inputs=["rows"], params={}).nodes) == 1


def takes(rows: Any, floor: int) -> object:
    return clean(rows, floor)


@pytest.mark.parametrize(
    ("function", "params", "text"),
    [
        (takes, {"florr": 1}, "did you mean `floor`"),
        (takes, {}, "parameter `floor` of `takes` has no value"),
        (takes, {"floor": 1, "rows": 2}, "`rows` is a dataset and a param"),
        (clean, {}, "is a step, not a pipeline"),
        (lambda rows: 5, {}, "returns no outputs of steps"),
        (lambda rows: None, {}, "returns no outputs of steps"),
        (lambda rows: {"a": clean(rows), "b": 5}, {}, "(`b`)"),
        (lambda rows: {"a": summarise(rows)}, {}, "return its fields"),
        (lambda rows: clean(), {}, "missing a required argument: 'rows'"),
        (lambda rows: clean(rows, flor=1), {}, "call it as clean(rows"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    function: Callable[..., Any], params: dict[str, object], text: str
) -> None:
    with pytest.raises(ProjectError) as caught:
        build(function, inputs=["rows"], params=params)
    assert text in str(caught.value)


def test_a_step_that_other_processes_cannot_find_is_refused() -> None:
    @step
    def hidden(rows: object) -> object:
        return rows

    with pytest.raises(ProjectError, match="can't be found by other processes"):
        build(lambda rows: hidden(rows), inputs=["rows"], params={})


def test_a_failed_body_leaves_steps_plain_functions() -> None:
    with pytest.raises(ProjectError, match="ZeroDivisionError"):
        build(lambda rows: 1 / 0, inputs=["rows"], params={})
    assert clean([1]) == [1]


@pytest.mark.parametrize("limits", [{"retries": -1}, {"timeout": 0}])
def test_senseless_limits_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ProjectError, match="limits make no sense"):
        step(**limits)  # type: ignore[call-overload]
