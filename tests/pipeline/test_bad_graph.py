"""Bodies, graphs and names that are wrong, very long or odd."""

from __future__ import annotations

import dataclasses
import os
import time

import polars as pl
import pytest
from pipeline_project import Project, outcomes
from test_bad_input import HEAD, write

from detent.errors import ProjectError, TamperedError
from detent.pipeline.document import Document, load_document, store_document
from detent.pipeline.executors.protocol import Capacity, Ended, Raised, Task
from detent.pipeline.graph import build
from detent.pipeline.nodes import Graph, Node, Port
from detent.pipeline.run import run
from detent.project.code import load_callable
from detent.store.blobs import open_blobs

BODIES = [
    ('raise ValueError("it is the wrong day")', "ValueError: it is the wrong day"),
    ('raise type("Bad", (Exception,), {"__str__": lambda self: 1 / 0})', "Bad: (making its text raised"),
    ("sys.exit(3)", "SystemExit"),
    ("return flow.function()", "RecursionError"),
    ("loop = [1]; loop.append(loop); return follows(loop)", "RecursionError"),
    ("return {}", "returns no outputs"),
    ("return 1", "returns no outputs"),
]


@pytest.mark.parametrize(("body", "text"), BODIES)
def test_a_body_that_fails_names_its_line(project: Project, body: str, text: str) -> None:
    write(project, "return 1")
    file = project.workspace.folder / "steps_under_test.py"
    start, _, _ = file.read_text().partition("    one = first()")
    file.write_text(f"{start}    {body}\n")
    with pytest.raises(ProjectError, match="flow") as caught:
        project.run({})
    assert text in str(caught.value)


def test_a_cycle_can_not_be_drawn(project: Project) -> None:
    write(project, "return 1")
    text = (project.workspace.folder / "steps_under_test.py").read_text()
    body = "    given = [1]\n    one = follows(given)\n    given.append(follows(one))\n    return one\n"
    start, _, _ = text.partition("    one = first()")
    project.write(steps_under_test=start + body)
    assert project.run({}).value("result") == [1], "arguments are those of the moment of the call"


def node(name: str, *needs: str) -> Node:
    return Node(
        name=name, module="steps_under_test", attribute="follows", file="steps_under_test.py",
        arguments=(("one", [Port(need, "result") for need in needs]),), outputs=("result",), record=False,
    )  # fmt: skip


DOCUMENTS = {
    "a cycle": [node("a", "b"), node("b", "a")],
    "a step that needs itself": [node("a", "a")],
    "a step before what it needs": [node("a", "b"), node("b")],
    "a step that is not there": [node("a", "elsewhere")],
    "two steps of one name": [node("a"), node("a")],
    "no such step at its end": [node("b")],
}


@pytest.mark.parametrize("nodes", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_that_is_no_graph_is_refused(project: Project, nodes: list[Node]) -> None:
    graph = Graph(
        name="flow", module="steps_under_test", attribute="flow", inputs=(), nodes=tuple(nodes),
        results=(("result", Port("a", "result")),),
    )  # fmt: skip
    write(project, "return 1")
    blobs = project.workspace.blobs
    with pytest.raises(TamperedError, match="no graph document"):
        load_document(store_document(Document(graph=graph, bundle="0" * 64), blobs), blobs)


class Refusing:
    """An executor that says that each task failed."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def total(self) -> Capacity:
        return Capacity(slots=2, cpu=2.0, memory=2**40, gpu=0)

    def start(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self, timeout: float | None) -> list[Ended]:
        failed = Raised(kind="ValueError", message="no", transient=False, file="", line=None, error=None)
        ended = [Ended(task=task, outcome=failed, seconds=0.0) for task in self.tasks]
        self.tasks.clear()
        return ended

    def cancel(self) -> None: ...

    def close(self) -> None: ...


def test_a_chain_of_5000_steps_is_drawn_stored_and_skipped_in_seconds(project: Project) -> None:
    write(project, "return 1")
    file = project.workspace.folder / "steps_under_test.py"
    start, _, _ = file.read_text().partition("    one = first()")
    file.write_text(f"{start}    one = first()\n    for _ in range(4999): one = follows(one)\n    return one\n")
    began = time.monotonic()
    flow = load_callable("steps_under_test.py:flow", project.workspace.folder)
    graph = build(flow, inputs=(), params={}, folder=project.workspace.folder)
    result = run(graph, inputs={}, workspace=project.workspace, run_id="long", executor=Refusing())
    assert len(result.run.steps) == 5000
    assert list(outcomes(result).values()) == ["failed"] + ["skipped"] * 4999
    assert load_document(result.run.graph, project.workspace.blobs).graph == graph
    assert time.monotonic() - began < 60


ODD_FOLDERS = [
    "with space",
    "q'uo\"te",
    "ümläut",
    "new\nline",
    "a%s{x}$HOME;",
    os.fsdecode(b"raw\xff"),
]
ODD_NAMES = """
class Größe(NamedTuple):
    länge: int
    日本: float

@step
def größe(anzahl: int) -> Größe:
    return Größe(anzahl, 0.5)

@step
def rows(rows: pl.DataFrame) -> int:
    return rows.height

@step
def LONG(ä: int, n: int) -> int:
    return ä + n

calls_rows = rows

@pipeline
def flow(rows):
    size = größe(3)
    return {"wert/mit: odd é": LONG(ä=size.länge, n=calls_rows(rows)), "b": size.日本}
"""


@pytest.mark.parametrize("folder", ODD_FOLDERS, ids=range(len(ODD_FOLDERS)))
def test_names_may_be_odd_long_and_those_of_datasets(project: Project, folder: str) -> None:
    place = project.workspace.folder / folder
    place.mkdir()
    project.workspace = dataclasses.replace(project.workspace, folder=place)
    if folder.isprintable():  # Polars reads no files below a folder whose name is no text
        blobs = open_blobs(str(place / "state" / "blobs"))
        project.workspace = dataclasses.replace(project.workspace, state=place / "state", blobs=blobs)
    project.write(steps_under_test=(HEAD + ODD_NAMES).replace("LONG", "n" * 250))
    for outcome in ("ran", "hit"):
        result = project.run({"rows": pl.DataFrame({"a": [1, 2]})})
        assert not result.errors, result.errors
        assert set(outcomes(result).values()) == {outcome}
        assert (result.value("wert/mit: odd é"), result.value("b")) == (5, 0.5)
