"""What a project declares about its prediction log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

DURABLE, AUDIT, SAMPLE, OFF = "durable", "audit", "sample", "off"
MODES = (DURABLE, AUDIT, SAMPLE, OFF)
KEEP, HASH, DROP = "keep", "hash", "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlan:
    """Which answers are logged, when they are safe, and how much of them is kept."""

    mode: str = DURABLE  # durable | audit | sample | off
    sample: float = 0.1  # mode "sample": share of predictions that are logged
    sync: timedelta = timedelta(milliseconds=200)  # rows are on the disk itself after this time
    max_bytes: int = 2 << 30  # of all segments of a state that are not yet Parquet
    fields: tuple[tuple[str, str], ...] = ()  # (input, keep | hash | drop); inputs that are not named are kept
    keep_days: int | None = None  # whole days of predictions older than this are removed; None: never
