"""What a step's result depends on, the cache key made of it, and what changed since the last time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from detent.pipeline.arguments import Stored, StoredRecord, replace_stored, stored_in
from detent.pipeline.artifacts import Artifact
from detent.pipeline.document import encode
from detent.pipeline.fingerprint.code import Code
from detent.pipeline.frame import Digest, framed_digest
from detent.pipeline.nodes import Node, replace_ports
from detent.pipeline.parts import Parts

FIRST, UNCHANGED, GONE = "first run", "unchanged", "the cached result is gone"
_SHOWN_VALUE = 60  # characters of a parameter's value that are kept for `--why`
_SHOWN_CHANGES = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One part that is not what it was."""

    part: str  # function | code | param | input | environment | policy
    name: str
    before: str  # as shown; for code a digest; "" when it is new
    after: str  # "" when it is gone

    def __str__(self) -> str:
        return _SAID[self.part](self)


def parts_of(
    node: Node, arguments: Mapping[str, object], code: Code, *, source: str, policy: Mapping[str, str]
) -> Parts:
    """Collect what decides the result of a call.

    Names of steps, the order of calls, resources, retries and timeouts are left out on purpose: they change no result.

    Raises:
        ProjectError: a parameter has a type that can't be compared.
    """
    params: dict[str, tuple[str, str]] = {}
    inputs: dict[str, tuple[str, str]] = {}
    for name, value in arguments.items():
        stored = list(stored_in(value))
        if not stored:
            params[name] = (framed_digest(value, name=name), _shown(value))
            continue
        known = replace_stored(value, _digests)
        inputs[name] = (framed_digest(known, name=name), ", ".join(dict.fromkeys(leaf.origin for leaf in stored)))
    return Parts(
        function=node.function,
        code=code.components,
        source=source,
        environment=code.environment,
        policy=policy,
        params=params,
        inputs=inputs,
    )


def refuse_uncomparable(nodes: Iterable[Node]) -> None:
    """Raise ProjectError, before anything runs, when a parameter has a type that can't be compared or written down."""
    for node in nodes:
        for name, value in (*node.arguments, *node.over):
            framed_digest(replace_ports(value, lambda _: None), name=f"{node.name}({name})")
            encode(value)


def key_of(parts: Parts) -> str:
    """Return the cache key: equal parts give equal keys, and nothing else does."""
    return framed_digest(
        [
            "detent.step.v2",
            parts.function,
            dict(parts.code),
            {name: Digest(digest) for name, (digest, _) in parts.params.items()},
            {name: Digest(digest) for name, (digest, _) in parts.inputs.items()},
            dict(parts.environment),
            dict(parts.policy),
        ]
    )


def changes(now: Parts, before: Parts) -> list[Change]:
    """Return what differs, the most telling first."""
    found = [Change("function", "function", before.function, now.function)] if now.function != before.function else []
    found += _differences("code", now.code, before.code)
    for part, new, old in (("param", now.params, before.params), ("input", now.inputs, before.inputs)):
        digests = {name for name in {*new, *old} if new.get(name, ("",))[0] != old.get(name, ("",))[0]}
        for name in sorted(digests):
            shown = name if part == "param" else (new.get(name) or old[name])[1]
            found.append(Change(part, shown, old.get(name, ("", ""))[1], new.get(name, ("", ""))[1]))
    found += _differences("environment", now.environment, before.environment)
    return found + _differences("policy", now.policy, before.policy)


def why(parts: Parts, previous: Parts | None) -> str:
    """Say what changed since the previous result of this step."""
    if previous is None:
        return FIRST
    found = [str(change) for change in changes(parts, previous)]
    more = f"; and {len(found) - _SHOWN_CHANGES} more" if len(found) > _SHOWN_CHANGES else ""
    return "; ".join(found[:_SHOWN_CHANGES]) + more or GONE


def _differences(part: str, now: Mapping[str, str], before: Mapping[str, str]) -> list[Change]:
    return [
        Change(part, name, before.get(name, ""), now.get(name, ""))
        for name in sorted({*now, *before})
        if now.get(name) != before.get(name)
    ]


def _code_said(change: Change) -> str:
    if change.before and change.after:
        return f"code of {change.name} changed"
    return f"code {'now' if change.after else 'no longer'} reaches {change.name}"


def _param_said(change: Change) -> str:
    if change.before and change.after:
        return f"param {change.name} {change.before} -> {change.after}"
    return f"param {change.name} " + (f"is new: {change.after}" if change.after else "is gone")


_SAID: dict[str, Callable[[Change], str]] = {
    "function": lambda change: f"the function is now {change.after}",
    "code": _code_said,
    "param": _param_said,
    "input": lambda change: f"input {change.name} {'changed' if change.after else 'is gone'}",
    "environment": lambda change: f"{change.name} {change.before or 'unused'} -> {change.after or 'unused'}",
    "policy": lambda change: f"{change.name} changed",
}


def _digests(leaf: Stored | StoredRecord) -> object:
    if isinstance(leaf, Stored):
        return _digest(leaf.artifact)
    return (leaf.type, {name: _digest(field.artifact) for name, field in leaf.fields})


def _digest(artifact: Artifact) -> object:
    return (artifact.kind, artifact.type, Digest(artifact.digest))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 3] + "..."
