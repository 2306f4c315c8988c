"""What people are told when an episode opens or gets worse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One notification. `key`, `at` and `severity` name it: the same alert sent twice is one alert."""

    key: str  # of the episode, such as "quality:roc_auc"; "drift:4 at once" when several opened at once
    severity: str  # WARNING | CRITICAL
    title: str  # a few words
    text: str  # one sentence per finding
    opened_at: str  # ISO time at which the episode opened
    at: str  # ISO time of this alert
    rise: bool  # True: the episode was open already and its severity rose
    labels: tuple[tuple[str, str], ...] = ()  # what receivers route by: kind, model, version
