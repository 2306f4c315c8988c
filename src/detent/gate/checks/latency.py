"""`latency_p99 <= 20ms`: how long the exported artefact takes for one row, on this machine."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

from detent.errors import ProjectError, did_you_mean
from detent.gate.evidence import Evidence
from detent.gate.requirements import place
from detent.gate.rule import concluded, judged, two_sided
from detent.gate.wording import count
from detent.records.check import INCONCLUSIVE, Check, CheckResult
from detent.statistics.intervals import quantile_interval

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
        samples = evidence.latency_seconds
        taken = 0 if samples is None else len(samples)
        if samples is None or taken < MIN_SAMPLES:
            reason = f"the latency was measured {count(taken, 'time')}; at least {MIN_SAMPLES} samples are needed"
            return replace(concluded(check, INCONCLUSIVE, reason, rows=taken), measured=True)
        interval = quantile_interval(samples, int(name[1]) / 100.0, confidence=two_sided(check))
        subject = f"{check.metric} of {count(taken, 'single-row prediction')} is"
        return judged(check, interval, rows=taken, subject=subject, measured=True)
