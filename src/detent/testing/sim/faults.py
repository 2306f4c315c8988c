"""What goes wrong in a simulated week: a list that follows from the seed, and that a shrinker may shorten."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

STEP = timedelta(hours=3)
DAY = 8  # steps
STEPS = 7 * DAY  # in which faults happen
QUIET = 2 * DAY  # after them, in which the loop has to come round

CRASH, BUSY, SLOW, DEAF = "crash", "busy", "slow", "deaf"
LOST, SILENT, TWICE, LATE, MISSING, WRONG, REPEATED, SHUFFLED = (
    "lost", "silent", "twice", "late", "missing", "wrong", "repeated", "shuffled",
)  # fmt: skip
JUMP, SECOND, DRIFT, FLIP, MUTE, INTRUDER = "jump", "second", "drift", "flip", "mute", "intruder"
ALTERED = "altered"
CONTROLLERS = ("a", "b")
# Tables whose writes are worth dying beside: a change and its event, an alias and its rollout, a claim and its record.
TABLES = ("alias_changes", "alias_changes", "alias_changes", "alias_changes", "rollouts", "rollouts", "versions",
          "verdicts", "notifications", "trigger_trainings", "trigger_flights", "findings", "episodes",
          "labels")  # fmt: skip
WORKER = "worker"

# kind -> how often it is drawn, and what it does
KINDS: dict[str, tuple[int, str]] = {
    CRASH: (16, "a process dies at its n-th call of anything outside"),
    BUSY: (5, "the n-th transaction is refused: the store is busy or full"),
    SLOW: (3, "the n-th call takes minutes"),
    DEAF: (2, "serving processes do not answer the controller for some time"),
    LOST: (2, "requests do not arrive"),
    SILENT: (2, "answers do not arrive; callers ask again"),
    TWICE: (2, "requests arrive twice"),
    LATE: (2, "labels come a day later than usual"),
    MISSING: (2, "labels never come"),
    WRONG: (2, "labels are wrong and are corrected later"),
    REPEATED: (3, "labels come two or three times"),
    SHUFFLED: (2, "labels come in another order, corrections before what they correct"),
    JUMP: (4, "the machine's clock jumps, forward or back"),
    SECOND: (6, "a second controller runs beside the first"),
    DRIFT: (2, "one input moves far away"),
    FLIP: (2, "what was true is false: labels are the other way round"),
    MUTE: (3, "nobody takes alerts"),
    INTRUDER: (2, "somebody writes an unjudged or altered model into the state and deploys it"),
    ALTERED: (2, "somebody changes a file of the champion for some hours, and the serving process starts anew"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    kind: str
    step: int  # at which it begins
    steps: int = 1  # how long it lasts, for what lasts
    process: str = ""  # "a" | "b" | "worker": whose call it is
    call: int = 0  # which call of that process in this step, from 1; with a table: how many calls after it is written
    table: str = ""  # from `step` on, at the n-th write to it (n is `amount`)
    amount: float = 0.0  # minutes or hours, or a share, as the kind needs

    def __str__(self) -> str:
        beside = f" after write {self.amount:g} to {self.table}" if self.table else ""
        where = f" {self.process} call {self.call}{beside}" if self.process else ""
        size = f" {self.amount:g}" if self.amount and not self.table else ""
        last = f"-{self.step + self.steps - 1}" if self.steps > 1 else ""
        return f"step {self.step}{last}: {self.kind}{where}{size}"


def draw(seed: int) -> tuple[Fault, ...]:
    """Return the faults of a seed, by step: about one a day of those at calls, and a few that last."""
    dice = random.Random(f"faults {seed}")  # noqa: S311  (reproducible on purpose)
    kinds = list(KINDS)
    weights = [KINDS[kind][0] for kind in kinds]
    chosen = dice.choices(kinds, weights, k=dice.randint(4, 14))
    return tuple(sorted((_fault(kind, dice) for kind in chosen), key=lambda fault: (fault.step, str(fault))))


def _fault(kind: str, dice: random.Random) -> Fault:
    step = dice.randint(2, STEPS - 2)
    if kind == CRASH and dice.random() < 0.5:
        table = dice.choice(TABLES)
        process = WORKER if table == "labels" else CONTROLLERS[0]
        return Fault(kind=kind, step=step, process=process, call=dice.randint(0, 12), table=table,
                     amount=dice.randint(1, 4))  # fmt: skip
    if kind in (CRASH, BUSY, SLOW):
        process = dice.choice((*CONTROLLERS[:1] * 5, CONTROLLERS[1], WORKER)) if kind != SLOW else CONTROLLERS[0]
        # Most steps have few calls, and few have very many; small numbers are always reached.
        call = dice.choice((dice.randint(1, 12), dice.randint(1, 120), dice.randint(1, 500)))
        return Fault(kind=kind, step=step, process=process, call=call, amount=dice.choice((2, 8, 20)) * (kind == SLOW))
    if kind == JUMP:
        return Fault(kind=kind, step=step, amount=dice.choice((-72, -25, -2, -0.2, 0.2, 2, 6)))
    if kind == ALTERED:
        return Fault(kind=kind, step=step)
    if kind == INTRUDER:
        return Fault(kind=kind, step=step, amount=dice.randint(0, 3))
    last = min(STEPS, step + dice.choice((1, 2, 4, 10)) + (DAY if kind == SECOND else 0))
    return Fault(kind=kind, step=step, steps=max(1, last - step), amount=dice.choice((0.3, 1.0)))
