"""Drift of inputs and scores, with a budget of false alarms. Pure.

Each column has one p-value from several tests (Bonferroni); columns are corrected for their number (Benjamini and
Hochberg, which without any drift bounds the chance of a finding); windows and scales by the budget. That decides
whether there is a finding. Whether it matters is decided by lower bounds of effects, which can only silence.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from detent.monitor.budget import Budget
from detent.monitor.detectors.chi2 import Chi2
from detent.monitor.detectors.ks import Ks
from detent.monitor.detectors.novel import Novel
from detent.monitor.detectors.nulls import Nulls
from detent.monitor.detectors.ranks import Ranks
from detent.monitor.drift.effects import PSI, WASSERSTEIN, effects_of, moved_at_least
from detent.monitor.drift.explain import largest_terms
from detent.monitor.drift.findings import SEVERE, WIDESPREAD, About, Moved, moved_finding, too_few, widespread
from detent.monitor.drift.samples import Column, Season, columns_of, scores_need_weeks
from detent.monitor.drift.since import first_window
from detent.monitor.drift.window import Seen
from detent.monitor.protocol import Detector, Sample
from detent.records.finding import WARNING, Finding
from detent.records.project import DriftPlan
from detent.statistics.axes import OUTPUT
from detent.statistics.distances import benjamini_hochberg
from detent.statistics.layout import Layout
from detent.statistics.reference import Reference

# Fewer rows can't tell drift from chance without a rule that cries wolf.
LEAST_ROWS = 50
# Fewer rows of a slice are not looked at.
LEAST_SLICE = 200
# With slices, half of what the inputs may cost is theirs.
SLICES = 0.5
MOST_TERMS = 3  # bins or levels that a finding names
DETECTORS: tuple[Detector, ...] = (Ks(), Ranks(), Chi2(), Nulls(), Novel())

Found = list[tuple[Column, float]]  # columns that changed for certain, with their p-values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is compared with what."""

    reference: Reference
    layout: Layout
    windows: Sequence[Seen]
    plan: DriftPlan
    detectors: Sequence[Detector]
    seasons: dict[Season, Sample] = field(default_factory=dict)  # those of the reference that were needed so far

    def columns(
        self, windows: Sequence[Seen], *, part: str | None = None, only: Container[str] | None = None
    ) -> list[Column]:
        seasonal = self.plan.seasonal != "off"
        return columns_of(
            self.reference, self.layout, windows, seasonal=seasonal, part=part, only=only, known=self.seasons
        )


def detect(
    reference: Reference,
    windows: Sequence[Seen],
    *,
    budget: Budget,
    plan: DriftPlan,
    layout: Layout | None = None,
    detectors: Sequence[Detector] = DETECTORS,
    version: int | None = None,
    note: str = "",
) -> list[Finding]:
    """Look at the newest window, alone and together with those before it.

    Args:
        reference: of the version whose rows these are.
        windows: whole windows of equal length, oldest first and without a gap; the last is judged. More than
            `max(budget.scales)` are not needed; with fewer, the larger scales are not looked at.
        budget: chance of a false alarm that a look may take.
        plan: what matters.
        layout: over which the windows were counted, when it is not the reference's own (masked columns are gone).
        detectors: what to test with.
        version: whose rows these are; it is written into the findings.
        note: a sentence that is added to each message, for example that a deploy of ours fell into this window.

    Returns:
        Findings of kind "drift": that many inputs moved far, then one per column, then one per slice and column, each
        at the scale that shows most. [] when nothing changed. Fewer than 50 rows in all that is looked at give one INFO
        finding (statistic "rows") and nothing else.

    Raises:
        DetentError: the windows were counted over another layout.
    """
    if not windows:
        return []
    case = _Case(
        reference=reference, layout=layout or reference.layout, windows=windows, plan=plan, detectors=detectors
    )
    newest = windows[-1]
    about = About(start=newest.start, end=newest.end, version=version, note=f" {note}" if note else "")
    scales = [scale for scale in budget.scales if scale <= len(windows) and _enough(windows[-scale:])]
    if not scales:
        return [too_few(newest.granule.rows, LEAST_ROWS, about)]
    looked = [one for scale in scales for one in _look(case, windows[-scale:], budget)]
    moved = _dated(case, _in_order(looked, case.layout))
    inputs = len(case.layout.axes) - 1
    far = [one.column for one in moved if _far(one)]
    many = inputs > 0 and len(far) >= max(2, WIDESPREAD * inputs)
    findings = [moved_finding(one, about) for one in moved]
    return [widespread(far, inputs, newest.granule.rows, about), *findings] if many else findings


def corrected(p_values: Sequence[float], level: float, correction: str) -> list[bool]:
    """Say which of several questions are answered with "changed".

    Args:
        p_values: one per question.
        level: bound on the chance of any such answer when nothing changed.
        correction: "bh" (Benjamini and Hochberg 1995: independent or positively dependent columns), "by" (Benjamini
            and Yekutieli 2001: any dependence) or "bonferroni" (any dependence; the strictest beside true changes).
    """
    if correction == "bonferroni":
        return [p_value <= level / len(p_values) for p_value in p_values]
    if correction == "by" and p_values:
        level /= sum(1 / rank for rank in range(1, len(p_values) + 1))
    return benjamini_hochberg(p_values, level)


def _enough(windows: Sequence[Seen]) -> bool:
    return windows[-1].granule.rows > 0 and sum(window.granule.rows for window in windows) >= LEAST_ROWS


def _look(case: _Case, windows: Sequence[Seen], budget: Budget) -> list[Moved]:
    """Look at some windows together: at the inputs, the scores and the slices, each at its own level."""
    columns = case.columns(windows)
    own = SLICES if case.layout.slices else 0.0
    inputs = [column for column in columns if column.axis.name != OUTPUT]
    found = _significant(case, inputs, budget.inputs * (1 - own))
    weekly = case.plan.seasonal != "off" and scores_need_weeks(case.reference, windows, budget.scales)
    scores = [column for column in columns if column.axis.name == OUTPUT and column.rows >= LEAST_ROWS and not weekly]
    found += _significant(case, scores, budget.prediction)
    moved = [_moved(case, column, p_value, len(windows), None) for column, p_value in found]
    return moved + _slices(case, windows, budget.inputs * own)


def _slices(case: _Case, windows: Sequence[Seen], level: float) -> list[Moved]:
    """Look at each slice with enough rows, all of them corrected together.

    A change of two parts in opposite ways can't be seen in their sum (Simpson), and where a change is concentrated says
    what to look for.
    """
    if not case.layout.slices or case.layout.slice_names != case.reference.layout.slice_names:
        return []
    parts: list[tuple[str, Column]] = []
    for position, name in enumerate(case.layout.slice_names):
        if sum(window.granule.slices[position].rows for window in windows) >= LEAST_SLICE:
            skipped = (OUTPUT, name.partition("=")[0])
            parts += [(name, one) for one in case.columns(windows, part=name) if one.axis.name not in skipped]
    part_of = {id(column): name for name, column in parts}
    found = _significant(case, [column for _, column in parts], level)
    return [_moved(case, column, p_value, len(windows), part_of[id(column)]) for column, p_value in found]


def _significant(case: _Case, columns: Sequence[Column], level: float) -> Found:
    p_values = [_p_value(column, case.detectors) for column in columns]
    rejected = corrected(p_values, level, case.plan.correction)
    return [found for found, yes in zip(zip(columns, p_values, strict=True), rejected, strict=True) if yes]


def _p_value(column: Column, detectors: Sequence[Detector]) -> float:
    """Return Bonferroni's p-value over the tests that fit a column."""
    own = [
        detector.compare(column.axis, column.expected, column.current).p_value
        for detector in detectors
        if column.axis.kind in detector.kinds
    ]
    return min(1.0, len(own) * min(own)) if own else 1.0


def _moved(case: _Case, column: Column, p_value: float, scale: int, part: str | None) -> Moved:
    name = column.axis.name
    effects = effects_of(column.axis, column.expected, column.current, case.plan)
    where = effects[0].matters and effects[0].statistic in (PSI, WASSERSTEIN)
    return Moved(
        column=name,
        part=part,
        scale=scale,
        p_value=p_value,
        effects=effects,
        terms=tuple(largest_terms(column, most=MOST_TERMS)) if where else (),
        importance=None if name == OUTPUT else case.reference.importance_of(name),
        rows=column.rows,
        since=None,
    )


def _dated(case: _Case, moved: Sequence[Moved]) -> list[Moved]:
    """Add since when each column has been different."""
    parts = {part: {one.column for one in moved if one.part == part} for part in {one.part for one in moved}}
    each = {
        part: [case.columns([window], part=part, only=names) for window in case.windows]
        for part, names in parts.items()
    }
    dated = []
    for one in moved:
        first = first_window([_named(columns, one.column) for columns in each[one.part]])
        dated.append(replace(one, since=case.windows[first].start))
    return dated


def _named(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.axis.name == name)


def _in_order(moved: Sequence[Moved], layout: Layout) -> list[Moved]:
    """Return one per column and slice: one that matters before one that doesn't, a short scale before a long one."""
    place = {axis.name: number for number, axis in enumerate(layout.axes)}
    ranked = sorted(moved, key=lambda one: (one.part or "", place[one.column], one.severity != WARNING, one.scale))
    return [next(same) for _, same in groupby(ranked, key=lambda one: (one.part, one.column))]


def _far(one: Moved) -> bool:
    return one.part is None and one.column != OUTPUT and moved_at_least(one.effects) >= SEVERE
