"""What a waiver does to a result, and what it is called. Pure: signatures are looked at by whoever hands them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detent.gate.advice import unwaivable
from detent.gate.binding import Binding
from detent.records.check import PASS, CheckResult
from detent.records.waiver import Waiver


def waive(
    results: Sequence[CheckResult], waivers: Sequence[Waiver], *, binding: Binding, now: str
) -> list[CheckResult]:
    """Return the results, those that a waiver covers with its id; their decisions stay as they are.

    `now` is the ISO time of the judgement.
    """
    return [_covered(result, waivers, binding, now) for result in results]


def covers(waiver: Waiver, result: CheckResult, binding: Binding, now: str) -> bool:
    """Return whether a waiver lets a result stand aside: the same model on the same rows, in time, and waivable."""
    about = (waiver.check, waiver.kind, waiver.bundle, waiver.data)
    same = about == (result.check, result.kind, binding.model_digest, binding.data_digest)
    return same and now < waiver.expires and not unwaivable(result)


def used(results: Sequence[CheckResult], waivers: Sequence[Waiver]) -> tuple[Waiver, ...]:
    """Return the waivers that results name."""
    named = {result.waiver for result in results if result.waiver}
    return tuple(waiver for waiver in waivers if waiver.id in named)


def told(waiver: Waiver) -> str:
    """Return a waiver as a sentence."""
    return (
        f"waiver {waiver.id[:12]}: {waiver.owner} answers for `{waiver.check}` until {waiver.expires[:10]}: "
        f"{waiver.reason}"
    )


def by_whom(waivers: Sequence[Waiver]) -> str:
    """Return `1 waiver (ana, until 2026-12-01)`."""
    names = "; ".join(dict.fromkeys(f"{waiver.owner}, until {waiver.expires[:10]}" for waiver in waivers))
    return f"{len(waivers)} waiver{'' if len(waivers) == 1 else 's'} ({names})"


def _covered(result: CheckResult, waivers: Sequence[Waiver], binding: Binding, now: str) -> CheckResult:
    if result.decision == PASS:
        return replace(result, waiver="") if result.waiver else result
    known = next((waiver for waiver in waivers if covers(waiver, result, binding, now)), None)
    return replace(result, waiver=known.id if known else "")
