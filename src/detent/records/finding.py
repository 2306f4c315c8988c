"""What the monitor saw, and the alert episode it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

INFO, WARNING, CRITICAL = "INFO", "WARNING", "CRITICAL"
SEVERITIES = (INFO, WARNING, CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation about one window."""

    kind: str  # drift | quality | estimate (without labels) | labels | data | errors | contract | meta
    severity: str  # INFO | WARNING | CRITICAL
    column: str | None  # input column, "prediction", or None for the whole window
    statistic: str  # psi, ks, chi2, nulls, roc_auc ...
    value: float
    low: float | None
    high: float | None
    threshold: float | None
    rows: int
    window_start: str  # ISO time
    window_end: str
    message: str  # one sentence
    version: int | None = None  # whose rows they were; None: those of all that answered
    scale: int = 1  # windows that were looked at together, ending with this one
    p_value: float | None = None  # of the strongest test, corrected for the tests of the same column
    importance: float | None = None  # share of the model's decisions that depends on the column, 0..1
    slice: str | None = None  # "origin=JFK": the part of the rows that it is about; None: all of them
    severe: bool = False  # far enough to ask for a retraining, by the lower bound
    since: str | None = None  # ISO time of the first window of the shift, as far as windows tell
    score_shift: float | None = None  # how much it moved the mean score, in units of the score


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A run of findings about one thing; it notifies once when it opens and once for each rise in severity."""

    key: str  # "drift:temp"
    severity: str
    opened_at: str
    last_seen: str
    clean_windows: int  # windows in a row without a finding; the episode closes at the hysteresis limit
    state: str  # open | closed
    told: str = ""  # the severity that people were told of; "" when nobody was told
    calmer: int = 0  # looks in a row that found it, and less severe than the episode is
