"""What the monitor saw, and the alert episode it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

INFO, WARNING, CRITICAL = "INFO", "WARNING", "CRITICAL"
SEVERITIES = (INFO, WARNING, CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation about one window."""

    kind: str  # drift | quality | labels | errors | contract
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A run of findings about one thing; it notifies once when it opens and once for each rise in severity."""

    key: str  # "drift:temp"
    severity: str
    opened_at: str
    last_seen: str
    clean_windows: int  # windows in a row without a finding; the episode closes at the hysteresis limit
    state: str  # open | closed
