from __future__ import annotations

import json
from dataclasses import replace

from detent.bundle.codec import verdict_from_json, verdict_to_json
from detent.records.check import CheckResult, SliceResult

from .builders import make_verdict

RESULT = CheckResult(
    check="roc_auc >= 0.65", kind="threshold", decision="pass", value=0.7, low=0.68, high=0.72, threshold=0.65,
    rows=900, reason="good", measured=False,
)  # fmt: skip
SLICE = SliceResult(
    column="origin", value="JFK", rows=300, metric=0.7, low=0.6, high=0.8, champion=None, p_value=None,
    decision="pass", reason="good",
)  # fmt: skip
FIRST = {
    "id", "decision", "results", "model_digest", "data_digest", "policy_digest", "champion_digest", "reason",
    "judged_at", "signature",
}  # fmt: skip
FIRST_OF_RESULT = {
    "check", "kind", "decision", "value", "low", "high", "threshold", "rows", "reason", "measured", "seconds",
}  # fmt: skip


def test_a_verdict_without_what_came_later_has_the_bytes_that_older_seals_cover() -> None:
    told = json.loads(verdict_to_json(replace(make_verdict("m" * 64), results=(RESULT,))))
    assert told.keys() == FIRST
    assert told["results"][0].keys() == FIRST_OF_RESULT


def test_what_came_later_is_written_once_it_says_something_and_comes_back() -> None:
    verdict = replace(make_verdict("m" * 64), results=(replace(RESULT, slices=(SLICE,), alpha=0.05),), candidates=3)
    assert verdict_from_json(verdict_to_json(verdict)) == verdict
