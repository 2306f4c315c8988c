"""From when to when a version was called something, and where it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detent.loop.happened import ROUTED, events_of_kind
from detent.registry import aliases
from detent.store.database import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSpan:
    """A time in which an alias pointed to a version."""

    alias: str
    number: int
    since: str  # ISO time
    until: str  # ISO time; "" while it still does
    actor: str  # who moved it there
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingSpan:
    """A time in which a version answered at an endpoint, without a break."""

    endpoint: str
    number: int
    since: str  # ISO time
    until: str  # ISO time; "" while it still does
    most: int  # largest share of traffic in basis points; 0: it only saw requests as a shadow


def alias_spans(db: Reader, model: str) -> list[AliasSpan]:
    """Return every span of every alias of a model, oldest first."""
    changes = aliases.history(db, model)
    ends: dict[str, str] = {}
    spans = []
    for change in reversed(changes):
        if change.number is not None:
            until = ends.get(change.alias, "")
            spans.append(
                AliasSpan(
                    alias=change.alias,
                    number=change.number,
                    since=change.at,
                    until=until,
                    actor=change.actor,
                    reason=change.reason,
                )
            )
        ends[change.alias] = change.at
    return spans[::-1]


def serving_spans(db: Reader) -> list[ServingSpan]:
    """Return every span in which a version took traffic or was a shadow, oldest first."""
    open_spans: dict[tuple[str, int], tuple[str, int]] = {}  # (endpoint, version) -> (since, most)
    spans = []
    for event in events_of_kind(db, ROUTED):
        endpoint = event.subject.partition(":")[2]
        shares = _shares(event.payload)
        for where, number in [key for key in open_spans if key[0] == endpoint]:
            if number not in shares:
                since, most = open_spans.pop((where, number))
                spans.append(ServingSpan(endpoint=where, number=number, since=since, until=event.time, most=most))
        for number, share in shares.items():
            since, most = open_spans.get((endpoint, number), (event.time, 0))
            open_spans[endpoint, number] = (since, max(most, share))
    for (endpoint, number), (since, most) in open_spans.items():
        spans.append(ServingSpan(endpoint=endpoint, number=number, since=since, until="", most=most))
    return sorted(spans, key=lambda span: (span.since, span.endpoint, span.number))


def _shares(payload: Mapping[str, object]) -> dict[int, int]:
    after, shadows = payload.get("after"), payload.get("shadows")
    shares = {int(number): 0 for number in shadows} if isinstance(shadows, list) else {}
    if isinstance(after, dict):
        shares |= {int(number): int(weight) for number, weight in after.items()}
    return shares
