"""The events of a simulated year, reduced to what a person wants to see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detent.records.event import Event
from detent.records.finding import SEVERITIES
from detent.store.clock import parse

# Lane of the picture -> the kinds of event that it shows, in the order in which they are drawn.
LANES = {
    "promoted": ("rollout.promoted",),
    "refused by the gate": ("verdict.rejected", "verdict.inconclusive"),
    "rolled back": ("rollout.rolled_back", "rollout.called_back"),
    "retraining asked for": ("training.requested",),
    "sabotage shipped": ("sabotage.shipped",),
    "alert": ("alert.raised",),
}


DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event as a row of the report."""

    seq: int
    time: datetime
    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened."""

    lines: tuple[Line, ...]  # in order, without the ones nobody reads (INFO findings, tracking)
    counts: tuple[tuple[str, int], ...]  # kind -> number, all kinds
    windows: tuple[tuple[datetime, float, str], ...]  # end of window, largest drift effect, worst drift severity
    sabotage: tuple[tuple[str, str, str], ...]  # kind, where it was stopped, why


QUIET = (
    "state.created",
    "run.tracked", "run.started", "run.succeeded", "candidate.made", "window.watched", "window.judged", "data.ingested",
    "alias.changed", "training.ignored", "rollout.advanced", "rollout.opened", "episode.closed", "episode.opened",
    "alert.delivered",
)  # fmt: skip
MOVED = "alias.changed"
NOT_STOPPED = "NOT STOPPED"
ENDS = ("rollout.promoted", "rollout.rolled_back", "rollout.called_back")


def tell(events: Iterable[Event], stages: Sequence[str]) -> Story:
    """Read the ledger's events in order; `stages` are the names of the rollout plan's stages."""
    known = list(events)
    lines = [
        Line(seq=event.seq, time=parse(event.time), kind=event.kind, subject=event.subject, text=sentence(event))
        for event in known
        if event.kind not in QUIET
    ]
    return Story(
        lines=tuple(lines),
        counts=tuple(sorted(Counter(event.kind for event in known).items())),
        windows=tuple(_windows(known)),
        sabotage=tuple(_sabotage(known, stages)),
    )


def sentence(event: Event) -> str:
    """Return what an event says in words."""
    payload: dict[str, Any] = {**event.observed, **event.payload}
    if "findings" in payload:
        return _worst_of(payload["findings"])
    if event.kind == MOVED:
        before = "" if payload["before"] is None else f", before version {payload['before']}"
        after = "nothing" if payload["number"] is None else f"version {payload['number']}"
        return f"{payload['alias']} is {after}{before}: {payload['reason']}"
    if payload.get("error") and payload.get("why"):
        return f"{payload['error']}: {payload['why']}"
    for key in ("text", "message", "reason", "detail", "error"):
        if payload.get(key):
            return str(payload[key])
    return _listed(event.payload)


def _listed(facts: Mapping[str, Any]) -> str:
    """Return facts as "key value, key value"; what is empty says nothing."""
    nested = any(isinstance(value, Mapping) and value for value in facts.values())
    told = [_fact(key, value) for key, value in facts.items() if value is not None and value not in ("", [], {}, ())]
    return ("; " if nested else ", ").join(told)


def _fact(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return f"{key}: {_listed(value)}"
    if isinstance(value, list | tuple):
        return f"{key} {' '.join(str(_shortened(one)) for one in value)}"
    return f"{key} {_shortened(value)}"


def _shortened(value: object) -> object:
    """A digest is told by its first 12 digits."""
    return value[:12] if isinstance(value, str) and DIGEST.fullmatch(value) else value


def _worst_of(findings: Sequence[dict[str, Any]]) -> str:
    worst = max(findings, key=lambda finding: SEVERITIES.index(finding["severity"]))
    more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
    return f"{worst['severity']}: {worst['message']}{more}"


def _windows(events: list[Event]) -> Iterable[tuple[datetime, float, str]]:
    worst: dict[str, tuple[float, str]] = {}
    for event in events:
        if event.kind == "window.watched" and event.payload["what"] == "traffic":
            effect, severity = event.payload["drift"], event.payload["drift_severity"]
            worst[event.payload["end"]] = (effect, severity)
    for end, (effect, severity) in sorted(worst.items()):
        yield parse(end), effect, severity


def _sabotage(events: list[Event], stages: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    """Follow each known-bad candidate to where it was stopped."""
    for shipped in (event for event in events if event.kind == "sabotage.shipped"):
        kind, later = shipped.payload["kind"], [event for event in events if event.seq > shipped.seq]
        verdict = next((e for e in later if e.subject == shipped.subject and e.kind.startswith("verdict.")), None)
        stopped = next((e for e in later if e.subject == shipped.subject and e.kind == "sabotage.stopped"), None)
        if stopped is not None:
            yield kind, f"refused by the {stopped.payload['where']}", sentence(stopped)
            continue
        if verdict is not None and verdict.kind != "verdict.passed":
            yield kind, "refused by the gate", sentence(verdict)
            continue
        ended = next((e for e in later if e.kind in ENDS), None)
        if ended is None:
            yield kind, NOT_STOPPED, "no decision was taken"
        elif ended.kind == "rollout.promoted":
            yield kind, NOT_STOPPED, "it was promoted"
        else:
            how = "rolled back" if ended.kind == "rollout.rolled_back" else "called back"
            yield kind, f"{how} at {stages[ended.payload['stage']]}", sentence(ended)
