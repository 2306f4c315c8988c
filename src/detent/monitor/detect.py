"""Drift: does a window of rows look like the training data? Pure.

A column drifts when (1) its p-value survives the correction for looking at many columns, so that a quiet window raises
any finding with a chance of at most `false_alarm`, and (2) the change is large enough to matter. Only (1) is INFO. With
(2) it is WARNING. It is CRITICAL when the model's output moved by `critical` or more, or, as one finding about the
whole window, when at least a third of the inputs (and two) did; an input column alone never is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detent.errors import DetentError
from detent.monitor.detectors.chi2 import Chi2
from detent.monitor.detectors.ks import Ks
from detent.monitor.detectors.nulls import Nulls
from detent.monitor.detectors.psi import Psi
from detent.monitor.protocol import Detector, Reading
from detent.records.finding import CRITICAL, INFO, WARNING, Finding
from detent.records.profile import ColumnProfile, Profile
from detent.statistics.distances import benjamini_hochberg

OUTPUT = "prediction"
# Fewer rows can't tell drift from chance without an alarm rule that cries wolf.
LEAST_ROWS = 50
# So large a share of inputs that moved far is a change of the world or of the feed, not of one column.
WIDESPREAD = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One column under examination."""

    name: str
    readings: tuple[Reading, ...]

    @property
    def p_value(self) -> float:
        """Bonferroni over the detectors of the column."""
        return min(1.0, len(self.readings) * min(reading.p_value for reading in self.readings))

    @property
    def main(self) -> Reading:
        """The reading that exceeds its threshold the most; `nulls` or `psi`."""
        sized = [reading for reading in self.readings if reading.threshold]
        return max(sized, key=lambda reading: reading.effect / (reading.threshold or 1.0))

    def moved_by(self, size: float) -> bool:
        """Say whether the distribution of values moved by at least a debiased PSI of `size`."""
        return any(reading.statistic == Psi.name and reading.effect >= size for reading in self.readings)


def detect(
    reference: Profile,
    current: Profile,
    *,
    window_start: str,
    window_end: str,
    false_alarm: float = 0.01,
    warn: float = 0.1,
    critical: float = 0.25,
    detectors: Sequence[Detector] | None = None,
) -> list[Finding]:
    """Compare a window with the reference profile, column by column.

    Args:
        reference: profile of the training data; its columns are compared.
        current: profile of the window, made with `like=reference`.
        window_start: ISO time.
        window_end: ISO time.
        false_alarm: chance of any finding in a window in which nothing changed.
        warn: debiased PSI from which a change matters.
        critical: debiased PSI from which it matters at once, in the output or in many inputs.
        detectors: what to compare with; None: psi, ks, chi2 and nulls. At least one with a threshold per kind of
            column.

    Returns:
        Findings of kind "drift", the widest first, then in order of columns; [] when nothing changed. Fewer than 50
        rows give one INFO finding (statistic "rows") and nothing else.

    Raises:
        DetentError: a column is missing in the window, or the bins differ.
    """
    window = (window_start, window_end)
    if current.rows < LEAST_ROWS:
        return [_too_few(current.rows, window)]
    chosen = detectors if detectors is not None else (Psi(matters=warn), Ks(), Chi2(), Nulls())
    columns = [_examine(column, current, chosen) for column in reference.columns]
    rejected = benjamini_hochberg([column.p_value for column in columns], false_alarm)
    changed = [column for column, significant in zip(columns, rejected, strict=True) if significant]
    findings = [_finding(column, reference, current, window=window, critical=critical) for column in changed]
    inputs = sum(column.name != OUTPUT for column in reference.columns)
    far = [column.name for column in changed if column.name != OUTPUT and column.moved_by(critical)]
    if inputs and len(far) >= max(2, WIDESPREAD * inputs):
        findings.insert(0, _widespread(far, inputs, current.rows, window, critical))
    return findings


def _examine(column: ColumnProfile, current: Profile, detectors: Sequence[Detector]) -> _Column:
    found = current.column(column.name)
    if found is None or (found.edges, found.levels) != (column.edges, column.levels):
        raise DetentError(
            what=f"column `{column.name}` of the window can't be compared with the training data",
            why="the window doesn't have it" if found is None else "the two were counted over different bins",
            fix="summarise the window with `like` set to the reference profile of the model that served it",
        )
    readings = tuple(detector.compare(column, found) for detector in detectors if column.kind in detector.kinds)
    return _Column(name=column.name, readings=readings)


def _finding(
    column: _Column, reference: Profile, current: Profile, *, window: tuple[str, str], critical: float
) -> Finding:
    main = column.main
    matters = main.threshold or 0.0
    severity = WARNING if main.effect >= matters else INFO
    if column.name == OUTPUT and column.moved_by(critical):
        severity = CRITICAL
    before = _share_missing(reference, column.name)
    missing = main.statistic == Nulls.name
    return Finding(
        kind="drift",
        severity=severity,
        column=column.name,
        statistic=main.statistic,
        value=main.value if missing else main.effect,
        low=None,
        high=None,
        threshold=before + matters if missing else matters,
        rows=current.rows,
        window_start=window[0],
        window_end=window[1],
        message=_sentence(column, before, current.rows),
    )


def _share_missing(reference: Profile, name: str) -> float:
    column = reference.column(name)
    return column.nulls / max(1, reference.rows) if column is not None else 0.0


def _sentence(column: _Column, missing_before: float, rows: int) -> str:
    main = column.main
    name = "The model's output" if column.name == OUTPUT else f"`{column.name}`"
    chance = "p < 0.0001" if column.p_value < 0.0001 else f"p = {column.p_value:.4f}"
    basis = f"over {rows:,} rows, {chance}"
    if main.statistic == Nulls.name:
        return f"{name} is missing in {main.value:.1%} of rows, {missing_before:.1%} in training ({basis})."
    extent = "has moved away from training" if main.effect >= (main.threshold or 0.0) else "has moved a little"
    return f"{name} {extent}: {main.statistic.upper()} {main.effect:.3f} beyond chance ({basis})."


def _widespread(columns: list[str], inputs: int, rows: int, window: tuple[str, str], critical: float) -> Finding:
    named = ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")
    return Finding(
        kind="drift",
        severity=CRITICAL,
        column=None,
        statistic="columns",
        value=len(columns) / inputs,
        low=None,
        high=None,
        threshold=WIDESPREAD,
        rows=rows,
        window_start=window[0],
        window_end=window[1],
        message=f"{len(columns)} of {inputs} inputs have moved far from training (PSI above {critical}): {named}.",
    )


def _too_few(rows: int, window: tuple[str, str]) -> Finding:
    return Finding(
        kind="drift",
        severity=INFO,
        column=None,
        statistic="rows",
        value=float(rows),
        low=None,
        high=None,
        threshold=float(LEAST_ROWS),
        rows=rows,
        window_start=window[0],
        window_end=window[1],
        message=f"{rows} rows are too few to look for drift; {LEAST_ROWS} are needed.",
    )
