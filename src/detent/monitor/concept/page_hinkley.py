"""Page-Hinkley (1954): how far the losses ran above their own mean so far. It knows neither the gate nor a budget."""

from __future__ import annotations

from collections.abc import Sequence

from detent.monitor.concept.protocol import Alarm, State, Terms

# As river and most of the literature have them.
LEAST, SLACK, FORGET, THRESHOLD = 30, 0.005, 0.9999, 50.0


class PageHinkley:
    """Follows losses by the cumulative sum of what is above their mean."""

    def update(self, state: State, losses: Sequence[float], terms: Terms) -> tuple[State, Alarm | None]:  # noqa: ARG002
        """Take losses; how rare false alarms are depends on the losses, and is not promised."""
        count, mean = int(state.get("count", 0)), float(state.get("mean", 0.0))
        total, lowest = float(state.get("sum", 0.0)), state.get("lowest")
        first = None
        for position, loss in enumerate(losses):
            count += 1
            mean += (loss - mean) / count
            total = FORGET * total + (loss - mean - SLACK)
            lowest = total if lowest is None or total < lowest else lowest
            if count >= LEAST and total - lowest > THRESHOLD:
                first = first or Alarm(position=position, value=total - lowest, threshold=THRESHOLD)
                count, mean, total, lowest = 0, 0.0, 0.0, None
        return {"count": count, "mean": mean, "sum": total, "lowest": lowest}, first
