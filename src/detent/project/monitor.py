"""The section `monitor`: what is watched in production, and who is told."""

from __future__ import annotations

from datetime import timedelta

from detent import plugins
from detent.project.channels import LOG, read_channels
from detent.project.drift import KEYS as DRIFT_KEYS
from detent.project.drift import read_drift
from detent.project.labels import read_labels
from detent.project.nodes import Value, read_key
from detent.records.project import MonitorPlan, Target

KEYS = (
    "window", "labels_within", "quality", "floor", "channels", "stale_after", "labels", "concept", "tolerance", "audit",
    *DRIFT_KEYS,
)  # fmt: skip
_HOUR = timedelta(hours=1)
_QUALITY = {"binary": "roc_auc", "regression": "rmse", "multiclass": "accuracy"}  # by task, where nothing is declared


def read_monitor(value: Value | None, target: Target) -> MonitorPlan:
    """Read what is watched; every key has a default, so the section may be missing.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    section = value.section(KEYS) if value else None
    return MonitorPlan(
        window=read_key(section, "window", _window, timedelta(days=1)),
        labels_within=read_key(section, "labels_within", Value.duration, timedelta(days=1)),
        quality=read_key(section, "quality", Value.text, _QUALITY[target.task]),
        floor=read_key(section, "floor", Value.number, None),
        channels=read_key(section, "channels", read_channels, (LOG,)),
        stale_after=read_key(section, "stale_after", lambda value: value.whole(low=1), 3),
        labels=read_key(section, "labels", read_labels, ()),
        concept=read_key(section, "concept", lambda value: value.one_of(plugins.names("concept")), "edetector"),
        tolerance=read_key(section, "tolerance", Value.share, 0.1),
        audit=read_key(section, "audit", lambda value: value.whole(low=0, high=10_000), 0),
        drift=read_drift(section),
    )


def _window(value: Value) -> timedelta:
    length = value.duration()
    if length < _HOUR or length % _HOUR:
        raise value.error("answers are counted by the hour, so a window is some whole hours", "write 1h, 6h, 1d or 7d")
    return length
