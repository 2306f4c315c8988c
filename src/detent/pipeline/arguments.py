"""The arguments of one call, with what is stored in place of what was promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from detent.pipeline.artifacts import Artifact
from detent.pipeline.nodes import Node, Port, RecordPort, replace_ports
from detent.pipeline.results import Results
from detent.records.run import WHOLE


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in the blob store, and the port that it came out of."""

    artifact: Artifact
    origin: str


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A NamedTuple or dataclass whose fields are in the blob store."""

    type: str  # "module:class"
    fields: tuple[tuple[str, Stored], ...]


def arguments_of(node: Node, shard: int, results: Results) -> dict[str, object]:
    """Return the arguments of a call by parameter; values with Stored and StoredRecord as leaves.

    Raises:
        StepError: what a fan-out goes over is no list, or has no such item.
    """
    arguments = {name: replace_ports(value, lambda port: _stored(port, results)) for name, value in node.arguments}
    if shard != WHOLE:
        for name, item in results.items(node, shard).items():
            origin = next((str(over) for key, over in node.over if key == name and isinstance(over, Port)), "")
            arguments[name] = (
                Stored(item, f"{origin}[{shard}]")
                if isinstance(item, Artifact)
                else replace_ports(item, lambda port: _stored(port, results))
            )
    return arguments


def replace_stored(value: object, change: Callable[[Stored | StoredRecord], object]) -> object:
    """Return an argument with `change` applied to the leaves that are stored."""
    if isinstance(value, Stored | StoredRecord):
        return change(value)
    if isinstance(value, dict):
        return {key: replace_stored(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace_stored(item, change) for item in value)
    return value


def stored_in(value: object) -> Iterator[Stored]:
    """Give every stored leaf of an argument, those in records included."""
    if isinstance(value, Stored):
        yield value
    elif isinstance(value, StoredRecord):
        yield from (field for _, field in value.fields)
    elif isinstance(value, dict):
        for item in value.values():
            yield from stored_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from stored_in(item)


def types_in(value: object) -> Iterator[str]:
    """Give the class ("module:class") of every stored leaf and record of an argument that has one."""
    if isinstance(value, StoredRecord):
        yield value.type
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from types_in(item)
    for stored in stored_in(value) if isinstance(value, Stored | StoredRecord) else ():
        yield from stored.artifact.types


def _stored(port: Port | RecordPort, results: Results) -> object:
    if isinstance(port, Port):
        return Stored(results.artifact(port), str(port))
    fields = [(name, Stored(results.artifact(field), str(field))) for name, field in port.fields]
    if not results.is_fan_out(port.fields[0][1].source):
        return StoredRecord(port.type, tuple(fields))
    # The record of a fan-out: one record per item.
    return [
        StoredRecord(port.type, tuple((name, Stored(field.artifact.items[at], field.origin)) for name, field in fields))
        for at in range(len(fields[0][1].artifact.items))
    ]
