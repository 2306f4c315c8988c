"""The plug-in point for whoever follows the losses of a model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

State = Mapping[str, Any]
"""What a follower remembers, as JSON's types; {} before the first loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What counts as worse, and how rarely chance may alarm."""

    p0: float  # mean loss that is accepted, in 0..1
    apart: float  # losses between two false alarms, on average at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The loss at which it was clear."""

    position: int  # among the losses that were given
    value: float  # evidence, in the follower's own measure
    threshold: float  # from which it alarms


class Concept(Protocol):
    """Follows a sequence of losses in 0..1. Pure: all it knows is in the state.

    After an alarm it begins anew, so what goes on is alarmed again.
    """

    def update(self, state: State, losses: Sequence[float], terms: Terms) -> tuple[State, Alarm | None]:
        """Take losses in the order of their predictions and return the new state and the first alarm.

        Losses after an alarm are taken too, from a fresh start; a second alarm of the same call is not told.
        """
        ...
