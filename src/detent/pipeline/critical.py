"""How long is the way from each step to the end of the pipeline? Steps on the longest way go first. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from detent.pipeline.nodes import Graph

UNKNOWN = 1.0  # seconds that a step is taken to need before it has ever run


def critical_seconds(graph: Graph, history: Mapping[str, float]) -> dict[str, float]:
    """Return, per step, its own expected seconds and those of the longest chain of steps behind it.

    `history` holds the mean seconds of functions that have run before.
    """
    behind = dict.fromkeys((node.name for node in graph.nodes), 0.0)
    found: dict[str, float] = {}
    for node in reversed(graph.nodes):  # each stands after all that it needs
        found[node.name] = history.get(node.function, UNKNOWN) + behind[node.name]
        for port in node.upstream:
            if port.source in behind:
                behind[port.source] = max(behind[port.source], found[node.name])
    return found
