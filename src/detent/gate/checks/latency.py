"""`latency_p99 <= 20ms`, `latency_p99 <= champion * 1.2`: how long the exported artefact takes for one row, here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

import numpy as np

from detent.errors import ProjectError, did_you_mean
from detent.gate.beside import compared, uncompared
from detent.gate.evidence import Evidence
from detent.gate.requirements import place
from detent.gate.rule import concluded, judged, two_sided
from detent.gate.wording import count
from detent.records.check import INCONCLUSIVE, Check, CheckResult
from detent.statistics.intervals import Interval, quantile_interval
from detent.statistics.turns import quantile_ratio

MIN_SAMPLES = 20
_NAME = re.compile(r"latency_p([1-9][0-9]?)")


class Latency:
    """A percentile of single-row predictions. It depends on the machine, so the result is marked as measured."""

    summary: ClassVar[str] = "A percentile of the time for one row, such as latency_p99, may not exceed so much."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the percentile of the samples with the threshold, both in seconds."""
        name = _NAME.fullmatch(check.metric)
        if name is None:
            raise ProjectError(
                what=f"`{check.metric}` is no latency",
                why=f"the check `{check.text}` asks for it; a latency is a percentile of the time for one row",
                fix=did_you_mean(check.metric, ("latency_p50", "latency_p95", "latency_p99")),
                where=place(check),
            )
        quantile = int(name[1]) / 100.0
        if check.against:
            return _beside_champion(check, evidence, quantile)
        samples = evidence.latency_seconds
        taken = 0 if samples is None else len(samples)
        if samples is None or taken < MIN_SAMPLES:
            reason = f"the latency was measured {count(taken, 'time')}; at least {MIN_SAMPLES} samples are needed"
            return replace(concluded(check, INCONCLUSIVE, reason, rows=taken), measured=True)
        interval = quantile_interval(samples, quantile, confidence=two_sided(check))
        subject = f"{check.metric} of {count(taken, 'single-row prediction')} is"
        return judged(check, interval, rows=taken, subject=subject, measured=True)


def _beside_champion(check: Check, evidence: Evidence, quantile: float) -> CheckResult:
    """Compare times that candidate and champion took in turns: what slows one of them down slows the other as well."""
    turns = None if evidence.beside is None else evidence.beside.turns
    taken = 0 if turns is None else len(turns)
    if turns is None or taken < MIN_SAMPLES:
        return uncompared(check, evidence, f"the two took turns {count(taken, 'time')}")
    ratio = quantile_ratio(turns, quantile, confidence=two_sided(check), seed=evidence.seed)
    champion = float(np.quantile(turns[:, 1], quantile))
    ours = Interval(value=ratio.value * champion, low=ratio.low * champion, high=ratio.high * champion)
    subject = f"{check.metric} of {count(taken, 'row')} in turns is"
    return compared(check, ours, champion, rows=taken, subject=subject)
