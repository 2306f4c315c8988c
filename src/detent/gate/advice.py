"""What to do about a verdict that does not pass: the honest ways forward, each with its command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from detent.gate.decisive import decisive, in_the_way
from detent.gate.wording import count
from detent.records.check import INCONCLUSIVE, PASS, REJECT, CheckResult, Verdict
from detent.records.waiver import NEVER, barred

_MARGIN = "better by"  # the form that asks for a gain

# What a kind's rejection asks for, when more rows are no answer.
_WAYS = {
    "baseline": "Look at the scores: a broken, constant, inverted or overconfident model has a fault to mend.",
    "leakage": "Take what tells the answer out of the features; an honest one is allowed by a line `leakage <= ...`.",
    "overlap": "Judge on rows that are later than the training rows and share none with them.",
    "provenance": "Return from the pipeline exactly the rows and features that the model was trained on.",
    "latency": "If this machine was busy, judge again; else make the model smaller.",
    "size": "Make the model smaller: fewer trees, fewer levels, fewer inputs.",
    "growth": "Look for what the program keeps of each call: a list, a cache without an end, a log in memory.",
    "gap": "Look at the rows of the worst slice: too few of them in training, or another meaning there.",
    "each": "Look at the rows of the worst slice: too few of them in training, or another meaning there.",
    "worst": "Look at the rows of the worst slice: too few of them in training, or another meaning there.",
    "fairness": "Look at both groups: other thresholds, or rows that one of them lacks in training.",
    "versus": "The champion is better on these rows: change what the model learns from, not the gate.",
}
_MEASURED = ("latency", "size", "memory", "cost", "growth")  # rows are no answer
_BETTER = "Its value is on the wrong side of the limit, so more rows will not help: a better model does."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One way forward."""

    text: str
    command: str = ""  # as typed; "": there is none


def steps(verdict: Verdict, name: str) -> tuple[Step, ...]:
    """Return what to do next, the best first; `name` is what commands call the candidate. Nothing for a pass."""
    guilty = decisive(verdict.results)
    if verdict.decision == PASS or guilty is None:
        return ()
    return (*_cause(guilty), *_refresh(guilty), *_waiver(verdict), _again(guilty, name))


def _cause(result: CheckResult) -> Iterator[Step]:
    if result.decision == INCONCLUSIVE and result.kind not in _MEASURED:
        if result.needed:
            text = f"Judge on about {count(result.needed)} (now {result.rows:,}): a longer evaluation period."
        elif result.value is None or result.slices:
            text = "Judge on more rows: a longer evaluation period."
        else:
            text = "It is too close to the limit to tell: a better model, or a limit agreed before it is judged."
        yield Step(text=text, command="detent gate plan")
        return
    yield Step(text=_WAYS.get(result.kind, _BETTER), command="detent run --why" if result.kind in NEVER else "")


def _refresh(result: CheckResult) -> Iterator[Step]:
    if _MARGIN in result.check:
        metric = result.check.split()[0]
        yield Step(text=f"If it only refreshes the champion, ask in detent.yaml for `{metric} non_inferior by 1%`.")


def _waiver(verdict: Verdict) -> Iterator[Step]:
    """Offer a waiver when it could let the model through, else say that there is none."""
    blocked = in_the_way(verdict.results)
    barred = next((result for result in blocked if unwaivable(result)), None)
    if barred is not None:
        yield Step(text=f"`{barred.check}` can't be waived: {unwaivable(barred)}.")
        return
    what = "it" if len(blocked) == 1 else f"each of the {len(blocked)} checks"
    first = decisive(verdict.results) or blocked[0]
    yield Step(
        text=f"Or somebody answers for {what} by name, until a day:",
        command=f"detent gate waive {verdict.id[:12]} {shlex.quote(first.check)} --reason TEXT --until DATE",
    )


def _again(result: CheckResult, name: str) -> Step:
    busy = result.kind == "latency" and result.decision == REJECT
    text = "Judge it again on a quiet machine:" if busy else "Judge the same model again, by today's gate section:"
    return Step(text=text, command=f"detent gate rerun {name}")


def unwaivable(result: CheckResult) -> str:
    """Return why a result can't be waived; "" when it can."""
    if barred(result.kind, result.check):
        return barred(result.kind, result.check)
    if result.kind == "leakage" and result.value is None:
        return "the model reads what nobody knows when a prediction is asked for"
    return ""
