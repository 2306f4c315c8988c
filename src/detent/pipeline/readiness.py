"""May a step run, must it wait, or will it never run?"""

from __future__ import annotations

from dataclasses import dataclass

from detent.pipeline.nodes import Node
from detent.pipeline.results import DONE, FAILED, SKIPPED, Results


@dataclass(frozen=True, slots=True)
class Skip:
    """The step will not run."""

    reason: str


READY, WAIT = "ready", "wait"


def readiness(node: Node, results: Results) -> Skip | str:
    """Return "ready", "wait", or Skip: something that it needs failed or was skipped, or its condition is not met.

    Raises:
        StepError: a condition's value is no plain one.
    """
    states = {port.source: results.state(port.source) for port in node.upstream}
    for source, state in states.items():
        if state in (FAILED, SKIPPED):
            return Skip(f"`{source}` {'failed' if state == FAILED else 'was skipped'}")
    decided = [condition for condition in node.conditions if states[condition.port.source] == DONE]
    for condition in decided:
        if not results.holds(condition):
            wanted = "" if condition.equals is True else f", equals={condition.equals!r}"
            return Skip(f"when({condition.port}{wanted}) is not met")
    return WAIT if None in states.values() else READY
