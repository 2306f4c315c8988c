"""Graphs as one content-addressed JSON document: what every executor, exporter and reader of lineage reads."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from detent.errors import ProjectError, TamperedError, did_you_mean
from detent.pipeline.nodes import Condition, Graph, Node, Port, RecordPort
from detent.pipeline.options import Options
from detent.store.blobs import Blobs
from detent.store.canonical import canonical

FORMAT = "detent.graph.v1"
_TAG = "$"  # key of an object that stands for a value which JSON does not have


@dataclass(frozen=True, kw_only=True)
class Document:
    """A graph and what its steps were when it was planned."""

    graph: Graph
    bundle: str  # digest of the folder manifest with the project's Python files

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each step stands in the graph's order."""
        return {node.name: position for position, node in enumerate(self.graph.nodes)}

    def node(self, name: str) -> Node:
        """Return a node by name.

        Raises:
            ProjectError: there is none.
        """
        if name not in self.positions:
            raise ProjectError(
                what=f"the graph has no step `{name}`",
                why=f"pipeline `{self.graph.name}` has {len(self.graph.nodes)} steps",
                fix=did_you_mean(name, [*self.positions]),
            )
        return self.graph.nodes[self.positions[name]]


def store_document(document: Document, blobs: Blobs) -> str:
    """Store a document and return its digest."""
    return blobs.put(canonical(to_json(document)))


def load_document(digest: str, blobs: Blobs) -> Document:
    """Read a document.

    Raises:
        StoreError: it is missing.
        TamperedError: it is damaged, or is no graph document.
    """
    try:
        return from_json(json.loads(blobs.get(digest)))
    except (ValueError, KeyError, TypeError) as error:
        raise TamperedError(
            what=f"{digest[:12]} is no graph document of this version",
            why=f"{type(error).__name__}: {error}",
            fix="run the pipeline again; the run plans it anew",
        ) from error


def to_json(document: Document) -> dict[str, Any]:
    """Return a document as plain JSON."""
    graph = document.graph
    return {
        "format": FORMAT,
        "name": graph.name,
        "module": graph.module,
        "attribute": graph.attribute,
        "inputs": list(graph.inputs),
        "nodes": [_node(node) for node in graph.nodes],
        "results": [[name, encode(port)] for name, port in graph.results],
        "bundle": document.bundle,
    }


def from_json(plain: Mapping[str, Any]) -> Document:
    """Return the document that `to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is not one.
    """
    if plain["format"] != FORMAT:
        raise ValueError(f"its format is {plain['format']!r}, not {FORMAT!r}")
    graph = Graph(
        name=plain["name"],
        module=plain["module"],
        attribute=plain["attribute"],
        inputs=tuple(plain["inputs"]),
        nodes=tuple(_read_node(node) for node in plain["nodes"]),
        results=tuple((name, decode(port)) for name, port in plain["results"]),
    )
    _check_order(graph)
    return Document(graph=graph, bundle=plain["bundle"])


def _check_order(graph: Graph) -> None:
    """Refuse a graph in which a step does not stand after all that it needs: a cycle can't be written then."""
    outputs: dict[str, tuple[str, ...]] = dict.fromkeys(graph.inputs, ("",))
    for node in graph.nodes:
        _check_ports(node.name, node.upstream, outputs)
        if node.name in outputs:
            raise ValueError(f"there are two of `{node.name}`")
        outputs[node.name] = node.outputs
    _check_ports("the result", (port for _, port in graph.results), outputs)


def _check_ports(who: str, ports: Iterable[Port], outputs: Mapping[str, tuple[str, ...]]) -> None:
    for port in ports:
        if port.output not in outputs.get(port.source, ()):
            raise ValueError(f"{who} needs `{port}`, and nothing before it is called so")


def encode(value: object) -> Any:
    """Return an argument as JSON; what JSON does not have becomes {"$": kind, ...}.

    Raises:
        ProjectError: the value has no form here (`frame.framed_digest` refuses the same ones).
    """
    kind: Any = type(value)
    if kind is str and not value.isascii():  # pyright: ignore
        _check_text(value)  # pyright: ignore
    if kind in (type(None), bool, int, str) or (kind is float and math.isfinite(value)):  # pyright: ignore
        return value
    if kind is list:
        return [encode(item) for item in value]  # pyright: ignore
    if kind is dict and _TAG not in value and all(type(key) is str for key in value):  # pyright: ignore
        return {key: encode(item) for key, item in value.items()}  # pyright: ignore
    if kind in _TAGGED:
        name, write, _ = _TAGGED[kind]
        return {_TAG: name, "value": write(value)}
    raise ProjectError(
        what=f"a {kind.__module__}.{kind.__qualname__} can't stand in a graph",
        why="other processes read the graph as JSON",
        fix="pass plain values (numbers, texts, lists, dicts, dates), or make the value inside a step",
    )


def decode(plain: Any) -> Any:
    """Return the value that `encode` wrote."""
    if isinstance(plain, list):
        return [decode(item) for item in plain]
    if isinstance(plain, dict):
        if _TAG in plain:
            return _READ[plain[_TAG]](plain["value"])
        return {key: decode(item) for key, item in plain.items()}
    return plain


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ProjectError(
            what=f"the text {value!r} can't stand in a graph",
            why=str(error),
            fix="pass text that is valid Unicode, or bytes",
        ) from error


def _sorted(value: Any) -> list[Any]:
    return sorted((encode(item) for item in value), key=canonical)


# type -> (name, how it is written, how it is read)
_TAGGED: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    float: ("float", repr, float),
    tuple: ("tuple", lambda v: [encode(item) for item in v], lambda p: tuple(decode(item) for item in p)),
    set: ("set", _sorted, lambda p: {decode(item) for item in p}),
    frozenset: ("frozenset", _sorted, lambda p: frozenset(decode(item) for item in p)),
    dict: (
        "dict",
        lambda v: [[encode(key), encode(item)] for key, item in v.items()],
        lambda p: {decode(key): decode(item) for key, item in p},
    ),
    bytes: ("bytes", bytes.hex, bytes.fromhex),
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    timedelta: ("timedelta", lambda v: v // timedelta(microseconds=1), lambda p: timedelta(microseconds=p)),
    Decimal: ("decimal", str, Decimal),
    Port: ("port", lambda v: [v.source, v.output], lambda p: Port(*p)),
    RecordPort: (
        "record",
        lambda v: [v.type, [[name, encode(port)] for name, port in v.fields]],
        lambda p: RecordPort(p[0], tuple((name, decode(port)) for name, port in p[1])),
    ),
}
_READ = {name: read for name, _, read in _TAGGED.values()}


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "module": node.module,
        "attribute": node.attribute,
        "file": node.file,
        "arguments": [[name, encode(value)] for name, value in node.arguments],
        "over": [[name, encode(value)] for name, value in node.over],
        "conditions": [[encode(condition.port), condition.equals] for condition in node.conditions],
        "outputs": list(node.outputs),
        "record": node.record,
        "options": {
            field.name: getattr(node.options, field.name)
            for field in dataclasses.fields(Options)
            if getattr(node.options, field.name) != field.default
        },
    }


def _read_node(plain: Mapping[str, Any]) -> Node:
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain["options"].items()
    }
    return Node(
        name=plain["name"],
        module=plain["module"],
        attribute=plain["attribute"],
        file=plain["file"],
        arguments=tuple((name, decode(value)) for name, value in plain["arguments"]),
        over=tuple((name, decode(value)) for name, value in plain["over"]),
        conditions=tuple(Condition(decode(port), equals) for port, equals in plain["conditions"]),
        outputs=tuple(plain["outputs"]),
        record=plain["record"],
        options=Options(**given),
    )
