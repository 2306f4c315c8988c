"""The section `gate`: what a model must show before it may be registered."""

from __future__ import annotations

from detent.project.grammar import parse_check
from detent.project.nodes import Value
from detent.records.check import Check


def read_gate(value: Value) -> tuple[Check, ...]:
    """Read the checks.

    Raises:
        ProjectError: one is no check, there is none, or one stands there twice that may not.
    """
    items = value.items()
    checks = tuple(item.parsed(lambda text, line=item.line: parse_check(text, line)) for item in items)
    if not checks:
        raise value.error("a gate without checks lets everything through", "add one, such as - roc_auc >= 0.65")
    limits = [item for item, check in zip(items, checks, strict=True) if check.kind == "leakage"]
    if len(limits) > 1:
        raise limits[1].error("the limit of leakage stands here twice", "keep one of the two lines")
    return checks
