"""The e-detector: it knows what the gate measured, and its false alarms are bounded whatever the losses look like."""

from __future__ import annotations

from collections.abc import Sequence

from detent.monitor.concept.protocol import Alarm, State, Terms
from detent.statistics.edetector import EDetector

_LEAST, _MOST = 1e-4, 0.999  # what a mean loss is taken for at least and at most: at 0 every error would be infinite


class Evidence:
    """Follows losses with bets against "the mean is p0 at most"."""

    def update(self, state: State, losses: Sequence[float], terms: Terms) -> tuple[State, Alarm | None]:
        """Take losses; alarms are `terms.apart` losses apart on average, at least, while the mean is p0 at most."""
        p0 = float(min(max(terms.p0, _LEAST), _MOST))
        # A limit that became another one (a new tolerance) makes the evidence of before worthless.
        detector = EDetector(p0=p0)
        evidence = tuple(state["evidence"]) if state.get("p0") == p0 else detector.start()
        first, begin = None, 0
        while begin < len(losses):
            evidence, at = detector.run(evidence, losses[begin:], threshold=terms.apart)
            if at is None:
                break
            if first is None:
                first = Alarm(position=begin + at, value=detector.value(evidence), threshold=terms.apart)
            evidence, begin = detector.start(), begin + at + 1
        return {"p0": p0, "evidence": list(evidence)}, first
