"""Callers of the endpoint and those who know the truth: requests, and labels that come late, twice, wrong or never."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import polars as pl

from detent.store.classes import class_number
from detent.testing.sim.faults import (
    DRIFT,
    FLIP,
    LATE,
    LOST,
    MISSING,
    REPEATED,
    SHUFFLED,
    TWICE,
    WRONG,
)
from detent.testing.sim.serving import Answered, Asked

PER_STEP = 26  # requests
CALLERS = 60
HOUR = timedelta(hours=1)
OURS = ("label", "hour_of_day")  # columns beside the inputs
Truth = float | str  # a number, or the name of a class


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A label on its way."""

    due: datetime  # true time
    prediction: str
    value: Truth
    at: str  # when the truth was known, by the clock of that time
    turn: int  # order in which labels were made


@dataclass(slots=True)
class Callers:
    """What they asked, what they were told, and which labels they still have to send."""

    seed: int
    rows: Mapping[int, Sequence[Mapping[str, object]]]  # by hour of the day
    moved: str | None  # the input that moves in a drift
    classes: Sequence[str] = ()  # of a project that predicts one of several
    asked: dict[str, Asked] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)  # how often each request was handed to a process
    answers: dict[str, Answered] = field(default_factory=dict)  # by prediction id
    refused: int = 0  # requests that had no answer
    refused_before: int = 0  # until the last day began
    truths: dict[str, dict[str, Truth]] = field(default_factory=dict)  # prediction -> {at: value}, of what was taken
    queue: list[Sent] = field(default_factory=list)
    taken_as_new: int = 0

    def ask(self, step: int, hour: int, wrong: Collection[str], share: float) -> list[Asked]:
        """Return the requests of a step, those that arrive twice twice."""
        dice = random.Random(f"ask {self.seed} {step}")  # noqa: S311
        rows, found = self.rows[hour], []
        for number in range(PER_STEP):
            row = dict(rows[dice.randrange(len(rows))])
            label = _truth(row.pop("label"))
            if DRIFT in wrong and self.moved is not None:
                row[self.moved] = _moved(row[self.moved])
            if FLIP in wrong:
                label = turned(label, self.classes)
            asked = Asked(
                name=f"q{step:04d}-{number}", entity=f"c{dice.randrange(CALLERS):03d}", inputs=row, label=label
            )
            lost = LOST in wrong and dice.random() < share
            self.asked[asked.name] = asked
            found += [] if lost else [asked] * (2 if TWICE in wrong and dice.random() < share else 1)
        for asked in found:
            self.deliveries[asked.name] = self.deliveries.get(asked.name, 0) + 1
        return found

    def hear(self, answers: Sequence[Answered], step: int, wrong: Collection[str], share: float, clock: datetime,
             now: datetime) -> None:  # fmt: skip
        """Take answers, and plan when the truth about them is sent. `clock` may be wrong, `now` is true time."""
        dice = random.Random(f"labels {self.seed} {step}")  # noqa: S311
        for answered in answers:
            if answered.line is None or answered.line.score is None:
                self.refused += 1
                continue
            self.answers[answered.line.id] = answered
            delay = HOUR * dice.randint(1, 6) + (24 * HOUR if LATE in wrong else timedelta(0))
            if MISSING in wrong and dice.random() < share:
                continue
            label = answered.asked.label
            false = turned(label, self.classes)
            if WRONG in wrong and false != label and dice.random() < share:
                self._send(answered.line.id, false, now + delay, clock)
                delay += 6 * HOUR
            for _ in range(dice.randint(2, 3) if REPEATED in wrong else 1):
                self._send(answered.line.id, label, now + delay, clock + timedelta(seconds=1))

    def due(self, now: datetime, wrong: Collection[str], step: int) -> list[Sent]:
        """Take the labels that are sent now out of the queue."""
        ready = [sent for sent in self.queue if sent.due <= now]
        self.queue = [sent for sent in self.queue if sent.due > now]
        if SHUFFLED in wrong:
            random.Random(f"shuffle {self.seed} {step}").shuffle(ready)  # noqa: S311
        return ready

    def again(self, sent: Sequence[Sent]) -> None:
        """Send labels once more, later: nobody knows whether they were taken."""
        self.queue += sent

    def taken(self, sent: Sequence[Sent]) -> None:
        """Remember what the serving process said it has taken."""
        for one in sent:
            self.truths.setdefault(one.prediction, {})[one.at] = one.value

    def _send(self, prediction: str, value: Truth, due: datetime, at: datetime) -> None:
        told = at.isoformat(timespec="microseconds")
        turn = len(self.queue)
        self.queue.append(Sent(due=due, prediction=prediction, value=value, at=told, turn=turn))


def body_of(sent: Sequence[Sent]) -> bytes:
    """Return the body of a feedback request."""
    labels = [{"prediction_id": one.prediction, "value": one.value, "at": one.at} for one in sent]
    return msgspec.json.encode({"labels": labels})


def turned(label: Truth, classes: Sequence[str]) -> Truth:
    """Return what is false where a label is true: the other one of two, of several classes the next; else the label."""
    if isinstance(label, str):
        return classes[(classes.index(label) + 1) % len(classes)]
    return 1.0 - label if label in (0.0, 1.0) else label


def stored(value: Truth) -> float:
    """Return a truth as the table of labels has it."""
    return class_number(value) if isinstance(value, str) else value


def moved_input(rows: pl.DataFrame) -> str | None:
    """Return the number with the most values: what moves in a drift."""
    numbers = [name for name, kind in rows.schema.items() if name not in OURS and kind.is_float()]
    numbers = numbers or [name for name, kind in rows.schema.items() if name not in OURS and kind.is_numeric()]
    return max(numbers, key=lambda name: rows[name].n_unique(), default=None)


def by_hour(rows: pl.DataFrame) -> dict[int, list[dict[str, object]]]:
    """Return the rows by their hour of the day (column `hour_of_day`); an hour without rows has those of all."""
    every = rows.drop("hour_of_day").to_dicts()
    found = {hour: rows.filter(pl.col("hour_of_day") == hour).drop("hour_of_day").to_dicts() for hour in range(24)}
    return {hour: some or every for hour, some in found.items()}


def _truth(value: object) -> Truth:
    return value if isinstance(value, str) else float(str(value))


def _moved(value: object) -> object:
    return value * 3 + 10 if isinstance(value, float) else value * 3 + 10 if isinstance(value, int) else value
