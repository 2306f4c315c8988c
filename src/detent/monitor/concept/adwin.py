"""ADWIN (Bifet and Gavalda 2007), by river: two windows whose means differ by more than chance.

It learns the level of the losses instead of being told it by the gate, so it needs more of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from river.drift import ADWIN

from detent.monitor.concept.protocol import Alarm, State, Terms

DELTA = 0.002
KEPT = 5_000  # losses that are remembered; ADWIN itself forgets what lies before a change


class Adwin:
    """Follows losses by an adaptive window.

    River's object is no JSON and must not be unpickled out of a database, so the losses since the last alarm are kept,
    and seen again at the next call.
    """

    def update(self, state: State, losses: Sequence[float], terms: Terms) -> tuple[State, Alarm | None]:  # noqa: ARG002
        """Take losses; only a rise of their mean is an alarm."""
        recent = list(state.get("recent", ()))
        detector = ADWIN(delta=DELTA)
        for loss in recent:
            detector.update(loss)
        first = None
        for position, loss in enumerate(losses):
            before = detector.estimation
            detector.update(loss)
            recent.append(float(loss))
            if detector.drift_detected:
                if detector.estimation > before:
                    first = first or Alarm(position=position, value=detector.estimation, threshold=before)
                recent = recent[-int(detector.width) :]
        return {"recent": recent[-KEPT:]}, first
