"""Should a failed attempt be made again, and when? Pure."""

from __future__ import annotations

from detent.pipeline.executors.protocol import Died, Outcome, Raised, TimedOut

FIRST_DELAY, LONGEST_DELAY = 0.2, 30.0  # seconds


def retry_delay(outcome: Outcome, attempt: int, retries: int) -> float | None:
    """Return the seconds to wait before attempt `attempt + 1`, or None when there shall be none.

    An error in the step's own code would only happen again, so it is never retried. A timeout and a lost connection
    are retried up to `retries` times, the death of the process (somebody or the memory limit killed it) at least once.
    Delays double: 0.2 s, 0.4 s ... 30 s.
    """
    if isinstance(outcome, Died):
        allowed = max(1, retries)
    elif isinstance(outcome, TimedOut) or (isinstance(outcome, Raised) and outcome.transient):
        allowed = retries
    else:
        allowed = 0
    if attempt > allowed:
        return None
    return min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt - 1))
