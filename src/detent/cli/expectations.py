"""What a preview says of a step, as a difference that can be printed."""

from __future__ import annotations

from detent.cli.reasons import Difference
from detent.pipeline.arguments import stored_in
from detent.pipeline.preview import Expected


def difference_of(step: Expected) -> Difference | None:
    """Return what differs from the step's last result; None when it has none, or its inputs are not known yet."""
    if step.planned is None or step.before is None:
        return None
    leaves = {leaf.origin: leaf.artifact for value in step.planned.arguments.values() for leaf in stored_in(value)}
    return Difference(now=step.planned.parts, before=step.before, last_run=step.before_run, artifact=leaves.get)
