"""Should a failed attempt be made again, and when? Pure."""

from __future__ import annotations

import random

from detent.pipeline.executors.protocol import Died, Outcome, Raised, TimedOut
from detent.pipeline.options import Options

LONGEST_DELAY = 300.0  # seconds
_SPREAD = 0.25  # of the delay: steps that failed together do not all come back at once


def retry_delay(outcome: Outcome, attempt: int, options: Options, *, seed: str = "") -> float | None:
    """Return the seconds to wait before attempt `attempt + 1`, or None when there shall be none.

    An error in the step's own code would only happen again, so it is never retried unless the step says so with
    `retry_on`. A timeout and a lost connection are retried up to `retries` times, the death of the process (somebody or
    the system killed it) at least once. A step that used more memory than it may would only do so again. Delays double
    from `backoff` on, at most LONGEST_DELAY, spread by a part that `seed` decides.
    """
    if isinstance(outcome, Died):
        allowed = max(1, options.retries)
    elif isinstance(outcome, TimedOut) or (isinstance(outcome, Raised) and outcome.transient):
        allowed = options.retries
    else:
        allowed = 0
    if attempt > allowed:
        return None
    delay = min(LONGEST_DELAY, options.backoff * 2 ** (attempt - 1))
    return delay * (1 + _SPREAD * random.Random(f"{seed} {attempt}").random())  # noqa: S311  (no secret)
