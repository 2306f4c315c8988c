"""The nouns of a pipeline: ports, nodes, graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from detent.pipeline.options import Options

RESULT = "result"  # name of the only output of a step that returns one value


@dataclass(frozen=True, slots=True)
class Port:
    """A place where a value will come out."""

    source: str  # name of a step or of an input of the pipeline
    output: str  # name of the step's output; "" for an input

    def __str__(self) -> str:
        return self.source if self.output in ("", RESULT) else f"{self.source}.{self.output}"


@dataclass(frozen=True, slots=True)
class RecordPort:
    """A whole NamedTuple or dataclass that a step returned, as an argument of another one."""

    type: str  # "module:class"
    fields: tuple[tuple[str, Port], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A node runs only when the value at a port equals another."""

    port: Port
    equals: object  # None, a bool, a number or a text; True means "anything that is true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One call of a step, or one call per item of a list."""

    name: str  # the function's name, with -2, -3 ... for further calls
    module: str  # Python module that holds the step
    attribute: str  # its name there
    file: str  # the module's file relative to the project folder; absolute when it lies outside
    arguments: tuple[tuple[str, object], ...]  # by parameter, sorted; values with Port and RecordPort as leaves
    over: tuple[tuple[str, object], ...] = ()  # parameters that take one item each of a list or of a Port; () no map
    conditions: tuple[Condition, ...] = ()  # all must hold
    outputs: tuple[str, ...]
    record: bool  # True: the step returns a NamedTuple or dataclass whose fields are the outputs
    options: Options = field(default_factory=Options)

    @property
    def function(self) -> str:
        """The step's function as the cache key and messages name it: "pipeline.py:train"."""
        return f"{self.file or self.module}:{self.attribute}"

    @property
    def upstream(self) -> tuple[Port, ...]:
        """Every port that it needs."""
        wired = [port for _, value in (*self.arguments, *self.over) for port in ports_in(value)]
        return (*wired, *(condition.port for condition in self.conditions))

    @property
    def records(self) -> tuple[RecordPort, ...]:
        """Every whole record that its arguments need."""
        return tuple(record for _, value in self.arguments for record in _leaves(value, RecordPort))


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A pipeline: steps in an order in which each stands after all that it needs."""

    name: str  # the pipeline function's name
    module: str
    attribute: str
    inputs: tuple[str, ...]  # datasets that it takes
    nodes: tuple[Node, ...]
    results: tuple[tuple[str, Port], ...]  # what the pipeline returns, by name


def ports_in(value: object) -> tuple[Port, ...]:
    """Return the ports inside an argument, in order."""
    return tuple(
        port
        for leaf in _leaves(value, Port | RecordPort)
        for port in ([leaf] if isinstance(leaf, Port) else [port for _, port in leaf.fields])
    )


def replace_ports(value: object, change: Callable[[Port | RecordPort], object]) -> object:
    """Return an argument with `change` applied to its leaves that are ports."""
    if isinstance(value, Port | RecordPort):
        return change(value)
    if isinstance(value, dict):
        return {key: replace_ports(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace_ports(item, change) for item in value)
    return value


def _leaves(value: object, kind: Any) -> list[Any]:
    if isinstance(value, kind):
        return [value]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item, kind)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _leaves(item, kind)]
    return []
