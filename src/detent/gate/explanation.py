"""A verdict, collected for people: what was refused and why, on one screen. Every rendering prints this record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detent.gate.advice import Step, steps
from detent.gate.decisive import decisive, in_the_way
from detent.gate.wording import count, percent
from detent.records.check import INCONCLUSIVE, PASS, REJECT, CheckResult, SliceResult, Verdict
from detent.records.waiver import Waiver
from detent.statistics.intervals import z_value

WORST = 5  # slices that are shown
_TITLES = {PASS: "passed", REJECT: "rejected", INCONCLUSIVE: "inconclusive, so it does not pass"}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What was judged, as people name it."""

    model: str
    verdict: str
    judged_at: str
    run: str = ""  # "run-0003"; "": nobody knows
    origin: str = ""  # "pipeline", "import", "sabotage:nan"
    version: int | None = None  # None: it was not registered
    champion: str = ""  # "version 2": compared with it; "": with nothing

    @property
    def name(self) -> str:
        """Return what commands call it: the version, else the run, else the verdict."""
        return str(self.version) if self.version is not None else self.run or self.verdict[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One slice as one check saw it."""

    check: str
    kind: str
    found: SliceResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One evaluation row that the model does badly on."""

    key: str
    label: float | str  # text: a class, and the scores are the probabilities that it was given
    candidate: float
    champion: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What only the loop can find out about a candidate; nothing of it may be known any more."""

    examples: tuple[Example, ...] = ()
    examples_of: str = ""  # the slice they are from, "origin=JFK"; "": all rows
    changed: tuple[str, ...] = ()  # what differs from the champion, in sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One screen."""

    decision: str
    headline: str  # "shop, run-0003: rejected"
    sentence: str  # the verdict's own reason
    about: About
    decisive: CheckResult | None  # None: it passed without anybody's word
    power: str  # how sure it had to be, and what these rows could see
    results: tuple[CheckResult, ...]  # those in the way first, then those that were waived, then those that passed
    parts: tuple[Part, ...]  # the worst slices
    waivers: tuple[Waiver, ...]
    steps: tuple[Step, ...]  # what to do next; () when there is nothing to do
    seen: Seen = field(default_factory=Seen)


def explanation(verdict: Verdict, about: About, seen: Seen | None = None) -> Explanation:
    """Collect what is known about a verdict."""
    guilty = decisive(verdict.results)
    return Explanation(
        decision=verdict.decision,
        headline=f"{about.model}, {_named(about)}: {_TITLES[verdict.decision]}",
        sentence=verdict.reason,
        about=about,
        decisive=guilty,
        power="" if guilty is None else _power(guilty, verdict.candidates),
        results=tuple(sorted(verdict.results, key=lambda result: _order(result, guilty))),
        parts=worst_parts(verdict.results),
        waivers=verdict.waivers,
        steps=steps(verdict, about.name),
        seen=seen or Seen(),
    )


def worst_parts(results: Sequence[CheckResult]) -> tuple[Part, ...]:
    """Return at most five slices of the checks in the way: those that reject, then those that are not certain.

    A slice stands there once, as the check saw it that is hardest on it. Of a check that compares slices with each
    other, the ends are shown.
    """
    failing, compared = [], []
    for result in in_the_way(results):
        told = [Part(check=result.check, kind=result.kind, found=part) for part in result.slices]
        bad = [part for part in told if part.found.decision in (REJECT, INCONCLUSIVE)]
        failing += bad
        if not bad:
            compared += _ends([part for part in told if part.found.metric is not None])
    once: dict[tuple[str, str], Part] = {}
    for part in (*sorted(failing, key=_by_badness), *compared):
        once.setdefault((part.found.column, part.found.value), part)
    return tuple(once.values())[:WORST]


def _by_badness(part: Part) -> tuple[bool, bool, float]:
    """Those that reject come first, and a slice without a value last among them; the p value is that of not holding."""
    return part.found.decision != REJECT, part.found.metric is None, -(part.found.p_value or 0.0)


def _ends(parts: list[Part]) -> list[Part]:
    """Return the slices at both ends, lowest first."""
    ranked = sorted(parts, key=lambda part: part.found.metric or 0.0)
    return ranked if len(ranked) <= WORST else [*ranked[:3], *ranked[-2:]]


def _named(about: About) -> str:
    version = "" if about.version is None else f"version {about.version}"
    return " of ".join(part for part in (version, about.run) if part) or f"verdict {about.verdict[:12]}"


def _order(result: CheckResult, guilty: CheckResult | None) -> tuple[bool, int]:
    rank = {REJECT: 0, INCONCLUSIVE: 1, PASS: 3}[result.decision]
    return result is not guilty, 2 if result.waiver else rank


def _power(result: CheckResult, candidates: int) -> str:
    """Say how sure the check had to be, and the smallest distance from the limit that its rows show 4 times of 5."""
    if result.alpha is None or result.low is None or result.high is None or result.high <= result.low:
        return ""
    z = z_value(1.0 - result.alpha)
    distance = (z + z_value(0.8)) * (result.high - result.low) / (2.0 * z)
    held = f"held to {percent(1.0 - result.alpha)}"
    if candidates > 1:
        held += f", as candidate {candidates} on these rows"
    return f"{held}; {count(result.rows)} show a distance from the limit of {distance:.2g} in 4 of 5 cases"
