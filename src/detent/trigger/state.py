"""What a trigger must know about the past. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A training that a decision asked for, and whose controller was killed before it knew what came of it."""

    number: int  # of the decision
    reason: str  # of its RunRequest
    detail: str
    cause: str
    again: bool  # it was an interrupted one already


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerState:
    """The past, as guards and rules see it."""

    last_training_at: datetime | None  # start of the latest training, whatever asked for it; None: there was none
    last_cron_check: datetime | None  # cron times up to here are dealt with; None: none yet, so none is due
    trainings: tuple[datetime, ...]  # starts of trainings that count towards the budget; older ones may be left in
    labelled_rows_since_training: int
    running: bool  # a training runs
    refused_in_a_row: int  # latest trainings whose candidate the gate did not let through
    rollout_running: bool
    last_challenge_at: datetime | None = None  # when a cheap model was last asked whether training would help
    money_spent: float = 0.0  # by the trainings of the budget period
    money_next: float = 0.0  # what the next one is expected to cost
    quarantined_since: datetime | None = None  # the data are broken: nothing is learned from them; None: they are not
    quarantined_for: str = ""  # what was wrong with them
    cause: str = ""  # the episode whose trainings were refused ...
    refused_in_episode: int = 0  # ... so many times
    asked: int | None = None  # number of the decision that asked a human about it
    answer: str = ""  # "yes" | "no" | "" while there is none
    interrupted: Interrupted | None = None

    @property
    def resumes(self) -> bool:
        """True when the latest training did not come to its end, for the first time: it is no reason to wait."""
        return self.interrupted is not None and not self.interrupted.again
