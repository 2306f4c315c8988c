"""Runs the checks and comes to a verdict. Pure: the time and the timer are handed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from detent import plugins
from detent.errors import ProjectError
from detent.gate.binding import Binding
from detent.gate.checks.growth import LEAST
from detent.gate.decisive import decision_of, decisive, in_the_way
from detent.gate.evidence import Evidence
from detent.gate.protocol import CheckPlugin
from detent.gate.rule import concluded
from detent.gate.spend import spend, worn
from detent.gate.waived import by_whom, used, waive
from detent.gate.wording import percent
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult, SliceResult, Verdict
from detent.records.waiver import Waiver
from detent.statistics.metrics import UndefinedMetricError
from detent.store.canonical import digest_of
from detent.store.clock import iso


def _always(kind: str, op: str, threshold: float, confidence: float | None = None) -> Check:
    text = f"{kind} (always on)"
    return Check(
        text=text, kind=kind, metric=kind, op=op, threshold=threshold, confidence=confidence, by=None, line=0
    )  # fmt: skip


# On a machine, not from the rows: judging again wears nothing out.
MEASURED = ("latency", "size", "memory", "cost", "growth")

ALWAYS_ON = (
    _always("baseline", ">", 0.5, 0.95),
    _always("leakage", "<=", 0.97),
    _always("overlap", "<=", 0.01),
    _always("provenance", "<=", 0.0),
)
GROWTH = _always("growth", "<=", LEAST)  # of programs: nothing else can keep anything of a call


def judge(
    checks: Sequence[Check],
    evidence: Evidence,
    *,
    binding: Binding,
    now: datetime,
    waivers: Sequence[Waiver] = (),
    timer: Callable[[], float] = lambda: 0.0,
) -> Verdict:
    """Run the declared checks and those that are always on, and return the verdict, bound to what was judged.

    A declared check of a kind that is always on stands in its place: the project has set its limit.
    One rejection rejects; else one result that is inconclusive makes the verdict inconclusive. A check that has no
    answer for these rows is inconclusive; one that could not run at all is a rejection.

    What rows decide is held to `spend(1 - confidence, evidence.candidates)`: the chance that a model passes without
    deserving it is shared by all that are ever judged on the same rows.

    Args:
        checks: the gate section, in order.
        evidence: what is known about the candidate.
        binding: the digests that the verdict speaks of.
        now: aware time of the judgement.
        waivers: those whose signatures are genuine; they help where they are about this model, these rows and in time.
        timer: seconds from some start, such as `time.perf_counter`; by default checks take no time.

    Raises:
        ProjectError: a check makes no sense for this project: unknown metric, column or direction.
        DetentError: there is no such kind of check, or what it needs is not installed.
    """
    declared = {check.kind for check in checks}
    always = [check for check in ALWAYS_ON if check.kind not in declared]
    if evidence.growth is not None:
        always.append(GROWTH)
    results = [_run(check, evidence, timer) for check in (*checks, *always)]
    return _concluded(results, binding, waivers, now=now, candidates=evidence.candidates)


def judge_again(verdict: Verdict, waivers: Sequence[Waiver], *, now: datetime) -> Verdict:
    """Return what a verdict becomes by these waivers, unsealed: what was measured stays as it is."""
    binding = Binding(
        model_digest=verdict.model_digest,
        data_digest=verdict.data_digest,
        policy_digest=verdict.policy_digest,
        champion_digest=verdict.champion_digest,
    )
    return _concluded(verdict.results, binding, waivers, now=now, candidates=verdict.candidates)


def _concluded(
    measured: Sequence[CheckResult], binding: Binding, waivers: Sequence[Waiver], *, now: datetime, candidates: int
) -> Verdict:
    results = tuple(waive(measured, waivers, binding=binding, now=iso(now)))
    decision = decision_of(results)
    verdict = Verdict(
        id="",
        decision=decision,
        results=results,
        model_digest=binding.model_digest,
        data_digest=binding.data_digest,
        policy_digest=binding.policy_digest,
        champion_digest=binding.champion_digest,
        reason=_reason(results, decision, used(results, waivers)) + _wear(candidates),
        judged_at=iso(now),
        candidates=candidates,
        waivers=used(results, waivers),
    )
    return replace(verdict, id=identity(verdict))


def identity(verdict: Verdict) -> str:
    """Return the digest of what two runs must agree on: bindings, decisions and every value not measured on a machine.

    Left out are the time, the signature, how long checks took, and of a measured result everything but its decision.
    Numbers count with nine digits: the last ones of a sum depend on the processor.
    """
    return digest_of(
        {
            "model": verdict.model_digest,
            "data": verdict.data_digest,
            "policy": verdict.policy_digest,
            "champion": verdict.champion_digest,
            "decision": verdict.decision,
            "results": [_agreed(result) for result in verdict.results],
            # Left out at 1, so that verdicts from before there was a count keep their identity.
            **({"candidates": verdict.candidates} if verdict.candidates > 1 else {}),
            **({"waivers": [waiver.id for waiver in verdict.waivers]} if verdict.waivers else {}),
        }
    )


def _agreed(result: CheckResult) -> dict[str, Any]:
    told: dict[str, Any] = {"check": result.check, "kind": result.kind, "decision": result.decision}
    told["threshold"] = _nine_digits(result.threshold)
    if not result.measured:
        told |= {name: _nine_digits(getattr(result, name)) for name in ("value", "low", "high")}
        told |= {"rows": result.rows, "reason": result.reason}
        if result.slices:
            told["slices"] = [
                [part.column, part.value, part.rows, part.decision, _nine_digits(part.metric)] for part in result.slices
            ]
    return told


def _nine_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.9g}")


def _run(check: Check, evidence: Evidence, timer: Callable[[], float]) -> CheckResult:
    plugin: CheckPlugin = plugins.load("check", check.kind)()
    start = timer()
    check = _held(check, evidence.candidates)
    try:
        result = _sound(plugin(check, evidence))
    except ProjectError:
        raise
    except UndefinedMetricError as error:
        result = concluded(check, INCONCLUSIVE, f"{error.what}: {error.why}", rows=evidence.rows)
    except Exception as error:  # noqa: BLE001 a check that could not run is a failure, whatever the cause
        told = f"the check could not run, which counts as a failure: {type(error).__name__}: {error}"
        result = concluded(check, REJECT, told, rows=evidence.rows)
    if check.confidence is not None and check.kind not in MEASURED:
        result = replace(result, alpha=round(1.0 - check.confidence, 12))
    return replace(result, seconds=timer() - start)


def _held(check: Check, candidates: int) -> Check:
    """Return the check with the confidence that the k-th candidate on these rows is held to."""
    if check.confidence is None or check.kind in MEASURED:
        return check
    return replace(check, confidence=1.0 - spend(1.0 - check.confidence, candidates))


def _sound(result: CheckResult) -> CheckResult:
    """Hold a plug-in to its contract: one of three decisions, and numbers that JSON knows."""
    if result.decision not in (PASS, REJECT, INCONCLUSIVE):
        raise ValueError(f"`{result.decision}` is no decision")
    return replace(
        result,
        value=_finite(result.value),
        low=_finite(result.low),
        high=_finite(result.high),
        threshold=_finite(result.threshold),
        slices=tuple(_sound_slice(part) for part in result.slices),
    )


def _sound_slice(part: SliceResult) -> SliceResult:
    return replace(
        part,
        metric=_finite(part.metric),
        low=_finite(part.low),
        high=_finite(part.high),
        champion=_finite(part.champion),
        p_value=_finite(part.p_value),
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _reason(results: Sequence[CheckResult], decision: str, waivers: Sequence[Waiver]) -> str:
    """Return the decisive check in a sentence."""
    guilty = decisive(results)
    if guilty is None:
        stamp = next((f"; rubber stamp: {result.stamp}" for result in results if result.stamp), "")
        return f"all {len(results)} checks passed{stamp}"
    told = f"{guilty.reason} (check `{guilty.check}`"
    if decision == PASS:
        return f"passed with {by_whom(waivers)}: {told})"
    more = sum(result.decision == decision for result in in_the_way(results)) - 1
    others = f" and {more} more of {len(results)}" if more else ""
    return f"{told}{others})"


def _wear(candidates: int) -> str:
    """Return a warning when a holdout was asked too often."""
    if not worn(candidates):
        return ""
    share = percent(spend(1.0, candidates))
    told = f"{candidates} candidates were judged on these rows, so a check has {share} of its alpha left"
    return f"; {told}: evaluate on new rows"
