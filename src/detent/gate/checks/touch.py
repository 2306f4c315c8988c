"""`overlap(near) <= 1%`, `overlap(by=customer) <= 20%`, `overlap(known_later) <= 0%`: rows that know of each other."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from detent.gate.declared import Touch
from detent.gate.evidence import Evidence
from detent.gate.rule import concluded, holds
from detent.gate.wording import count, percent
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.intervals import wilson

_SHIFT = 1.1  # evaluation rows are later ones: they may resemble training rows a little more often without any fault
_SURE = 0.998  # two-sided confidence that rows are alike more often than chance makes them
_WORDS = {
    "near": "evaluation rows nearly equal a training row",
    "known_later": "training rows have a label that was known only after the first evaluation row",
    "entities": "evaluation rows are of a `{by}` that was trained on",
}


class TouchingRows:
    """How many rows of one side touch the other; beyond what chance explains, where chance can be told."""

    summary: ClassVar[str] = "Such a share of rows may nearly equal, share an entity with, or be known after others."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the share with the limit; nearly equal rows also with how often training rows equal each other."""
        found = evidence.touch.get(f"entities:{check.by}" if check.by else check.metric)
        if found is None or not found.rows:
            return concluded(check, INCONCLUSIVE, "the rows were not compared", rows=0)
        share = found.touching / found.rows
        facts = f"{found.touching:,} of {count(found.rows)} ({percent(share)}): "
        facts += _WORDS[check.metric].format(by=check.by)
        example = f", such as {found.example}" if found.example else ""
        if holds(check, share):
            told = f"{facts}, at most {percent(check.threshold)} as asked"
            return concluded(check, PASS, told, rows=found.rows, value=share)
        explained = _by_chance(found)
        if explained is not None and wilson(found.touching, found.rows, _SURE).low <= explained:
            told = f"{facts}, as chance explains: training rows are as much alike among themselves"
            passed = concluded(check, PASS, told, rows=found.rows, value=share)
            return replace(passed, threshold=max(check.threshold, explained))
        chance = "" if explained is None else f"; chance explains {percent(explained)}"
        reason = f"{facts}{example}, but at most {percent(check.threshold)} is asked{chance}"
        return concluded(check, REJECT, reason, rows=found.rows, value=share)


def _by_chance(found: Touch) -> float | None:
    """Return an upper bound of the share that chance makes: training rows that touch another training row."""
    if found.train_touching is None or not found.train_rows:
        return None
    return wilson(found.train_touching, found.train_rows, _SURE).high * _SHIFT
