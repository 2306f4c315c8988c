"""What a step's result depends on, the cache key made of it, and what changed since the last time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detent.pipeline.artifacts import Artifact
from detent.pipeline.fingerprint.code import Code
from detent.pipeline.frame import Digest, framed_digest
from detent.pipeline.nodes import Node, Port, RecordPort, ports_in, replace_ports

FIRST, UNCHANGED, DAMAGED = "first run", "unchanged", "cached output is damaged: rebuilt"
_SHOWN_VALUE = 60  # characters of a parameter's value that are kept for `--why`
_SHOWN_CHANGES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that decides a step's result; plain JSON, so that it can be stored and compared later."""

    function: str  # "pipeline.py:train"
    code: Mapping[str, str]
    environment: Mapping[str, str]
    params: Mapping[str, tuple[str, str]]  # parameter -> (digest, value as shown)
    inputs: Mapping[str, tuple[str, str]]  # parameter -> (digest, where it comes from)


def parts_of(node: Node, function: str, code: Code, artifacts: Mapping[Port, Artifact]) -> Parts:
    """Collect what decides the result of a node whose upstream artifacts are known.

    Names of steps, the order of calls, retries and timeouts are left out on purpose: they change no result.

    Raises:
        ProjectError: a parameter has a type that can't be compared.
    """
    params: dict[str, tuple[str, str]] = {}
    inputs: dict[str, tuple[str, str]] = {}
    for name, value in node.arguments:
        ports = ports_in(value)
        if not ports:
            params[name] = (framed_digest(value, name=name), _shown(value))
            continue
        known = replace_ports(value, lambda port: _digests(port, artifacts))
        origins = dict.fromkeys(str(port) for port in ports)
        inputs[name] = (framed_digest(known, name=name), ", ".join(origins))
    return Parts(function=function, code=code.components, environment=code.environment, params=params, inputs=inputs)


def refuse_uncomparable(nodes: Iterable[Node]) -> None:
    """Raise ProjectError, before anything runs, when a parameter has a type that can't be compared."""
    for node in nodes:
        for name, value in node.arguments:
            framed_digest(replace_ports(value, lambda _: None), name=f"{node.name}({name})")


def key_of(parts: Parts) -> str:
    """Return the cache key: equal parts give equal keys, and nothing else does."""
    return framed_digest(
        [
            "detent.step.v1",
            parts.function,
            dict(parts.code),
            dict(parts.environment),
            {name: Digest(digest) for name, (digest, _) in parts.params.items()},
            {name: Digest(digest) for name, (digest, _) in parts.inputs.items()},
        ]
    )


def why(parts: Parts, previous: Parts | None) -> str:
    """Say what changed since the previous result of this step."""
    if previous is None:
        return FIRST
    changes = [
        *([f"the function is now {parts.function}"] if parts.function != previous.function else []),
        *_code_changes(parts.code, previous.code),
        *_param_changes(parts.params, previous.params),
        *_input_changes(parts.inputs, previous.inputs),
        *_environment_changes(parts.environment, previous.environment),
    ]
    shown = "; ".join(changes[:_SHOWN_CHANGES])
    more = f"; and {len(changes) - _SHOWN_CHANGES} more" if len(changes) > _SHOWN_CHANGES else ""
    return shown + more or "the cached result is gone"


def _digests(port: Port | RecordPort, artifacts: Mapping[Port, Artifact]) -> object:
    if isinstance(port, Port):
        artifact = artifacts[port]
        return (artifact.kind, artifact.type, Digest(artifact.digest))
    return (port.type, {name: _digests(field, artifacts) for name, field in port.fields})


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 3] + "..."


def _code_changes(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    changed = [f"code of {name} changed" for name in sorted(now) if name in before and now[name] != before[name]]
    added = [f"code now reaches {name}" for name in sorted(now) if name not in before]
    gone = [f"code no longer reaches {name}" for name in sorted(before) if name not in now]
    return changed + added + gone


def _param_changes(now: Mapping[str, tuple[str, str]], before: Mapping[str, tuple[str, str]]) -> list[str]:
    changes = []
    for name in sorted({*now, *before}):
        old, new = before.get(name), now.get(name)
        if old is None and new is not None:
            changes.append(f"param {name} is new: {new[1]}")
        elif new is None:
            changes.append(f"param {name} is gone")
        elif old is not None and old[0] != new[0]:
            changes.append(f"param {name} {old[1]} -> {new[1]}")
    return changes


def _input_changes(now: Mapping[str, tuple[str, str]], before: Mapping[str, tuple[str, str]]) -> list[str]:
    names = sorted(name for name in {*now, *before} if now.get(name, ("", ""))[0] != before.get(name, ("", ""))[0])
    return [f"input {(now.get(name) or before[name])[1]} {'changed' if name in now else 'is gone'}" for name in names]


def _environment_changes(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    return [
        f"{name} {before.get(name, 'unused')} -> {now.get(name, 'unused')}"
        for name in sorted({*now, *before})
        if now.get(name) != before.get(name)
    ]
