"""Always on: no evaluation row was trained on."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.gate.evidence import Evidence
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded
from detent.gate.wording import count, percent
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.intervals import wilson

MAX_REPEATED = 0.01  # share of evaluation rows that may equal a training row by coincidence
_SHIFT = 1.1  # evaluation rows are later ones: they may repeat a little more often without any fault
_SURE = 0.998  # two-sided confidence that repeats are more than honest duplicates make


class Overlap:
    """Training rows among the evaluation rows: by time, by key and by content."""

    summary: ClassVar[str] = "No evaluation row may also be a training row: not by time, by key or by content."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Reject the first overlap found; pass says which comparisons were possible."""
        fault = _by_time(evidence) or _by_key(evidence)
        if fault:
            return concluded(check, REJECT, fault, rows=evidence.rows)
        compared = [name for name, known in _possible(evidence).items() if known]
        if not compared:
            reason = "overlap can't be ruled out: neither keys, digests nor times of the training rows are known"
            return concluded(check, INCONCLUSIVE, reason, rows=evidence.rows)
        require_rows(evidence.y, evidence.task)
        if evidence.digests is None or evidence.train_digests is None:
            return concluded(check, PASS, _none_found(evidence, compared), rows=evidence.rows)
        return _by_content(check, evidence, evidence.digests, evidence.train_digests)


def _none_found(evidence: Evidence, compared: list[str]) -> str:
    by = f"(by {', '.join(compared)})"
    if evidence.elsewhere:
        return f"no evaluation row is a training row of this project {by}; what this model was trained on is not known"
    return f"no evaluation row was trained on {by}"


def _possible(evidence: Evidence) -> dict[str, bool]:
    return {
        "time": evidence.train_time_max is not None and evidence.eval_time_min is not None,
        "key": evidence.keys is not None and evidence.train_keys is not None,
        "content": evidence.digests is not None and evidence.train_digests is not None,
    }


def _by_time(evidence: Evidence) -> str:
    last, first = evidence.train_time_max, evidence.eval_time_min
    if last is None or first is None or last < first:
        return ""
    return (
        f"the latest training row ({last.isoformat()}) is not before the earliest evaluation row "
        f"({first.isoformat()}): the model has seen the time it is judged on"
    )


def _by_key(evidence: Evidence) -> str:
    keys, train = evidence.keys, evidence.train_keys
    if keys is None or train is None:
        return ""
    if keys.dtype != train.dtype:
        keys, train = keys.cast(pl.String), train.cast(pl.String)
    shared = keys.filter(keys.is_in(train.unique().implode()))
    if shared.is_empty():
        return ""
    share = percent(shared.len() / keys.len())
    seen = f"{shared.len():,} of {count(keys.len(), 'evaluation row')} ({share})"
    return f"{seen} were trained on, such as key {shared[0]}"


def _by_content(
    check: Check, evidence: Evidence, digests: NDArray[np.uint64], train: NDArray[np.uint64]
) -> CheckResult:
    """Reject when more evaluation rows equal a training row than chance explains.

    Few distinct values repeat honestly. How often they do is seen inside the training rows: the share of them that
    equal another training row is the chance that one more row of the same kind equals one of them.
    """
    repeated = int(np.isin(digests, np.unique(train)).sum())
    share = wilson(repeated, digests.size, _SURE)
    explained = _repeats_within(train) * _SHIFT
    allowed = max(MAX_REPEATED, explained)
    facts = f"{percent(share.value)} of the evaluation rows equal a training row in all inputs and the label"
    if share.value > MAX_REPEATED and share.low > explained:
        reason = f"{facts}; chance explains {percent(explained)}: evaluation rows were trained on"
        return concluded(check, REJECT, reason, rows=digests.size, value=share.value, threshold=allowed)
    reason = _none_found(evidence, [name for name, known in _possible(evidence).items() if known])
    if repeated:
        reason += f"; {facts}, and duplicates explain {percent(allowed)}"
    return concluded(check, PASS, reason, rows=digests.size, value=share.value, threshold=allowed)


def _repeats_within(train: NDArray[np.uint64]) -> float:
    """Share of training rows that equal another one; an upper bound of it, for it is an estimate too."""
    if not train.size:
        return 0.0
    _, sizes = np.unique(train, return_counts=True)
    return wilson(int(sizes[sizes > 1].sum()), train.size, _SURE).high
