"""When a version that fails is not called any more. A state machine without a clock: the caller says what time it is.

Closed: every call is made. Five failures in a row, or half of the last twenty (of at least ten), open it. Open: no
call is made for a second. Half-open: one call is tried; if it succeeds the breaker closes, if not it opens for twice
as long, at most 30 seconds.
"""

from __future__ import annotations

from collections import deque

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
IN_A_ROW = 5  # failures that open it
LAST, LEAST, SHARE = 20, 10, 0.5  # calls that are remembered, calls that must be there, failed share that opens it
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds


class Breaker:
    """Of one version in one process."""

    __slots__ = ("_failures", "_last", "_pause", "_row", "reason", "state", "until")

    def __init__(self) -> None:
        self.state = CLOSED
        self.until = 0.0  # when an open one tries again
        self.reason = ""  # why it is open
        self._last: deque[bool] = deque(maxlen=LAST)  # True: failed
        self._failures = 0  # among these
        self._row = 0  # failures since the last success
        self._pause = FIRST_PAUSE

    def admits(self, now: float) -> bool:
        """True when a call may be made; of an open breaker whose pause is over, only the first asker is told so."""
        if self.state == CLOSED:
            return True
        if self.state == OPEN and now >= self.until:
            self.state = HALF_OPEN
            return True
        return False

    def succeeded(self) -> None:
        """A call gave good scores."""
        if self.state == HALF_OPEN:
            self._close()
        elif self.state == CLOSED:
            self._row = 0
            self._remember(failed=False)

    def failed(self, now: float, why: str) -> None:
        """A call failed; `why` in words."""
        if self.state == HALF_OPEN:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._open(now, f"the call that was tried failed: {why}")
        elif self.state == CLOSED:
            self._row += 1
            self._remember(failed=True)
            if self._row >= IN_A_ROW:
                self._open(now, f"{self._row} calls in a row failed, the last one: {why}")
            elif len(self._last) >= LEAST and self._failures >= SHARE * len(self._last):
                self._open(now, f"{self._failures} of the last {len(self._last)} calls failed, the last one: {why}")

    def gave_up(self) -> None:
        """The call that was to be tried was not made after all: the next asker tries."""
        if self.state == HALF_OPEN:
            self.state = OPEN

    def _remember(self, *, failed: bool) -> None:
        if not failed and not self._failures and len(self._last) == LAST:
            return  # one more among nothing but successes
        if len(self._last) == LAST:
            self._failures -= self._last[0]
        self._last.append(failed)
        self._failures += failed

    def _open(self, now: float, why: str) -> None:
        self.state, self.until, self.reason = OPEN, now + self._pause, why

    def _close(self) -> None:
        self.state, self.reason, self._pause = CLOSED, "", FIRST_PAUSE
        self._last.clear()
        self._failures = self._row = 0
