"""Findings about drift, and their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detent.monitor.drift.effects import NOVEL, NULLS, PSI, Effect
from detent.monitor.drift.explain import Term
from detent.records.finding import INFO, WARNING, Finding
from detent.statistics.axes import OUTPUT
from detent.store.clock import iso

COLUMNS, ROWS = "columns", "rows"
# An input that carries less of the model's decisions than this may drift as it likes.
IMPORTANT = 0.05
SEVERE = 0.25  # population stability index, by its lower bound
WIDESPREAD = 1 / 3  # share of inputs that moved severely: a change of the world or of the feed, not of one column


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What all findings of one look have in common."""

    start: datetime  # of the newest window
    end: datetime
    version: int | None
    note: str  # added to each message


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A column that has changed for certain, at one scale."""

    column: str
    part: str | None  # slice
    scale: int
    p_value: float
    effects: tuple[Effect, ...]  # the one that exceeds its threshold the most comes first
    importance: float | None
    rows: int
    since: datetime | None
    terms: tuple[Term, ...] = ()  # bins or levels that moved the most, of a change that matters

    @property
    def severity(self) -> str:
        """WARNING when the change matters, and the column does; else INFO. Drift alone is never CRITICAL."""
        important = self.column == OUTPUT or self.importance is None or self.importance >= IMPORTANT
        return WARNING if important and self.effects[0].matters else INFO


def moved_finding(moved: Moved, about: About) -> Finding:
    """Return the finding about one column."""
    effect = moved.effects[0]
    shares = effect.statistic in (NULLS, NOVEL)
    distance = next((one.low for one in moved.effects if one.statistic == PSI), 0.0)
    return Finding(
        kind="drift",
        severity=moved.severity,
        column=moved.column,
        statistic=effect.statistic,
        value=effect.now if shares else effect.value,
        low=effect.low,
        high=None,
        threshold=effect.threshold,
        rows=moved.rows,
        window_start=iso(about.start),
        window_end=iso(about.end),
        message=_sentence(moved, about.note),
        version=about.version,
        scale=moved.scale,
        p_value=moved.p_value,
        importance=moved.importance,
        slice=moved.part,
        severe=moved.column == OUTPUT and moved.part is None and distance >= SEVERE,
        since=iso(moved.since) if moved.since else None,
    )


def widespread(columns: Sequence[str], inputs: int, rows: int, about: About) -> Finding:
    """Return the finding that many inputs moved far."""
    named = ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")
    text = f"{len(columns)} of {inputs} inputs have moved far from training (PSI at least {SEVERE}): {named}."
    return Finding(
        kind="drift",
        severity=WARNING,
        column=None,
        statistic=COLUMNS,
        value=len(columns) / inputs,
        low=None,
        high=None,
        threshold=WIDESPREAD,
        rows=rows,
        window_start=iso(about.start),
        window_end=iso(about.end),
        message=text + about.note,
        version=about.version,
        severe=True,
    )


def too_few(rows: int, least: int, about: About) -> Finding:
    """Return the finding that a window can't be judged."""
    return Finding(
        kind="drift",
        severity=INFO,
        column=None,
        statistic=ROWS,
        value=float(rows),
        low=None,
        high=None,
        threshold=float(least),
        rows=rows,
        window_start=iso(about.start),
        window_end=iso(about.end),
        message=f"{rows} rows are too few to look for drift; {least} are needed.",
        version=about.version,
    )


def _sentence(moved: Moved, note: str) -> str:
    name = "The model's output" if moved.column == OUTPUT else f"`{moved.column}`"
    where = f" where {moved.part.replace('=', ' is ', 1)}" if moved.part else ""
    chance = "p < 0.0001" if moved.p_value < 0.0001 else f"p = {moved.p_value:.4f}"
    span = f", {moved.scale} windows" if moved.scale > 1 else ""
    since = f" since {moved.since:%Y-%m-%d %H:%M}" if moved.since and moved.scale > 1 else ""
    little = f" It carries {moved.importance:.1%} of the model's decisions." if _unimportant(moved) else ""
    most = ", ".join(f"{term.cell} from {term.before:.0%} to {term.now:.0%}" for term in moved.terms)
    bins = f" Most of it: {most}." if most else ""
    rows = f"{moved.rows:,} rows{span}, {chance}"
    return f"{name}{where} {_change(moved.effects[0])}{since} ({rows}).{bins}{little}{note}"


def _unimportant(moved: Moved) -> bool:
    return moved.column != OUTPUT and moved.importance is not None and moved.importance < IMPORTANT


def _change(effect: Effect) -> str:
    if effect.statistic == NULLS:
        return f"is missing in {effect.now:.1%} of rows, {effect.before:.1%} in training"
    if effect.statistic == NOVEL:
        return f"has levels in {effect.now:.1%} of rows that training did not have"
    extent = "has moved away from training" if effect.matters else "has moved a little"
    if effect.statistic == PSI:
        return f"{extent}: PSI {effect.value:.3f}, at least {effect.low:.3f}"
    return f"{extent}: by {effect.value:.2f} interquartile ranges, at least {effect.low:.2f}"
