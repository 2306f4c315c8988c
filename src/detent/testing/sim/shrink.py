"""From a week that broke a promise to the fewest faults that still break it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from detent.testing.sim.faults import Fault
from detent.testing.sim.run import Outcome

MOST = 60  # weeks that are lived through
Again = Callable[[Sequence[Fault]], Outcome]  # the same seed with other faults


def shrink(found: Outcome, again: Again, *, most: int = MOST) -> Outcome:
    """Return the outcome with the fewest faults that breaks the same promise (Zeller's ddmin).

    What is left to chance depends on the seed and the step only, so leaving a fault out changes nothing before it.
    """
    kind, tries, parts = _promise(found), 0, 2
    while len(found.faults) >= 1 and tries < most:
        size = max(1, len(found.faults) // parts)
        for start in range(0, len(found.faults), size):
            tries += 1
            fewer = again((*found.faults[:start], *found.faults[start + size :]))
            if _promise(fewer) == kind:
                found, parts = fewer, max(2, parts - 1)
                break
            if tries >= most:
                return found
        else:
            if size == 1:
                return found
            parts = min(len(found.faults), parts * 2)
    return found


def _promise(outcome: Outcome) -> str:
    """Return what was broken without names and numbers, which differ from week to week; "" for nothing."""
    return " ".join(re.findall(r"[a-z]{2,}", re.sub(r"\([^)]*\)|`[^`]*`|\w*\d\w*", " ", outcome.broken))[:8])
