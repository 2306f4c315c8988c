from __future__ import annotations

from typing import Any

import pytest

from detent.errors import ProjectError
from detent.pipeline.critical import critical_seconds
from detent.pipeline.executors.protocol import Capacity, Task
from detent.pipeline.nodes import Graph, Node, Port
from detent.pipeline.options import check_options
from detent.pipeline.tokens import Tokens, refuse_impossible
from detent.pipeline.workspace import Address

ADDRESS = Address(folder="", state="", database="", blobs="")


def node(name: str, *needs: str, **given: Any) -> Node:
    return Node(
        name=name, module="m", attribute=name, file="m.py",
        arguments=tuple((f"p{n}", Port(need, "result")) for n, need in enumerate(needs)),
        outputs=("result",), record=False, options=check_options(given, None),  # type: ignore[arg-type]
    )  # fmt: skip


def graph(*nodes: Node) -> Graph:
    return Graph(name="flow", module="m", attribute="flow", inputs=(), nodes=nodes, results=())


def task(step: str, **given: Any) -> Task:
    return Task(address=ADDRESS, graph="", run="", step=step, shard=-1, **given)


def test_options_are_read_as_people_write_them() -> None:
    options = check_options(
        {"timeout": "30m", "backoff": "10s", "memory": "1.5Gi", "env": ["B", "A", "A"], "changes": "ttl 6h"}, None
    )
    assert (options.timeout, options.backoff, options.memory, options.env) == (1800, 10, 1.5 * 2**30, ("A", "B"))
    assert options.ttl == 6 * 3600
    assert check_options({}, None).ttl is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"retry": 2}, "no option `retry`"),
        ({"retries": -1}, "limits make no sense"),
        ({"timeout": 0}, "limits make no sense"),
        ({"gpu": -1}, "limits make no sense"),
        ({"timeout": "soon"}, "`soon` is no duration"),
        ({"memory": "much"}, "`much` is no size"),
        ({"env": "MODE"}, "is no list of names"),
        ({"changes": "sometimes"}, "does not say when"),
        ({"changes": "ttl soon"}, "`soon` is no duration"),
        ({"changes": "probe version"}, "does not say when"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: Any, text: str) -> None:
    with pytest.raises(ProjectError, match=text):
        check_options(given, None)


def test_the_longest_way_to_the_end_counts_and_unknown_steps_take_a_second() -> None:
    found = critical_seconds(
        graph(node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c")),
        {"m.py:b": 5.0, "m.py:c": 0.5, "m.py:d": 2.0},
    )
    assert found == {"a": 8.0, "b": 7.0, "c": 2.5, "d": 2.0}


def test_tasks_hold_what_they_ask_for_until_it_is_given_back() -> None:
    tokens = Tokens(Capacity(slots=4, cpu=2.0, memory=100, gpu=1))
    large = task("large", cpu=1.5, memory=80, gpu=1)
    assert tokens.take(large)
    assert not tokens.take(task("more memory", cpu=0.1, memory=30))
    assert not tokens.take(task("more cores", cpu=1.0))
    assert not tokens.take(task("another gpu", cpu=0.1, gpu=1))
    assert tokens.take(task("small", cpu=0.5, memory=20))
    tokens.give_back(large)
    assert tokens.take(task("all cores there are", cpu=1.5))
    assert tokens.slots == 2


def test_a_step_that_wants_more_cores_than_there_are_gets_all_of_them() -> None:
    tokens = Tokens(Capacity(slots=2, cpu=2.0, memory=0, gpu=0))
    assert tokens.take(task("greedy", cpu=16))
    assert not tokens.take(task("other", cpu=0.5))


def test_a_step_that_could_never_start_is_refused_before_anything_runs() -> None:
    here = Capacity(slots=2, cpu=2.0, memory=2**30, gpu=0)
    with pytest.raises(ProjectError, match="`train` needs 1 GPUs"):
        refuse_impossible([node("load"), node("train", gpu=1)], here)
    with pytest.raises(ProjectError, match="bytes of memory"):
        refuse_impossible([node("train", memory="2Gi")], here)
    refuse_impossible([node("train", cpu=64, memory="1Gi")], here)
