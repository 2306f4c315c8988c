"""Time in a simulated week: it moves when told, and what processes see of it may be wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from detent.store.clock import VirtualClock


class WrongClock(VirtualClock):
    """True time only moves on; `now` is true time and how far the machine's clock is off."""

    def __init__(self, path: Path, start: datetime) -> None:
        super().__init__(path, start=start)
        self.off = timedelta(0)

    def now(self) -> datetime:
        """Return what the machine's clock shows."""
        return super().now() + self.off

    def true(self) -> datetime:
        """Return the time that it really is."""
        return super().now()

    def go_on(self, by: timedelta) -> None:
        """Let true time pass."""
        off, self.off = self.off, timedelta(0)
        self.set(super().now() + by)
        self.off = off
