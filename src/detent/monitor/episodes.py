"""Episodes: a run of findings about one thing is one piece of news. Pure.

An episode opens at the first WARNING or CRITICAL finding and closes after three windows without one. People hear of it
when it opens and when it gets worse, never daily. What opens at one look is told in one alert per kind. News that
explains other news silences it: while quality is known to have fallen, drift of the same or a lower severity is
recorded but not sent; while most columns are known to have moved, so is each single one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from detent.records.alert import Alert
from detent.records.finding import INFO, SEVERITIES, Episode, Finding

KINDS = ("quality", "errors", "contract", "labels", "drift")
CLOSE_AFTER = 3
WIDESPREAD = "drift:columns"  # the finding that many columns moved at once
OPEN, CLOSED = "open", "closed"
# Statistics of findings which say that their kind could not be judged in this window.
UNJUDGED = ("rows", "maturity")
_TITLES = {"quality": "Quality has fallen", "errors": "Requests fail", "labels": "Labels are missing",
           "contract": "Data breaks its contract", "drift": "Data drifts"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """An episode that opened or got worse, and why."""

    episode: Episode
    rise: bool
    messages: tuple[str, ...]


def advance(
    episodes: Iterable[Episode],
    findings: Sequence[Finding],
    now: datetime,
    *,
    kinds: Collection[str] = KINDS,
    close_after: int = CLOSE_AFTER,
) -> tuple[list[Episode], list[Alert]]:
    """Take the findings of one look into account.

    Args:
        episodes: the open ones; closed ones are ignored.
        findings: everything found at this look.
        now: the moment of this look.
        kinds: the kinds of finding that were looked for: only those can come out clean. Quality is often judged later
            than drift of the same window. A kind that could not be judged (too few rows, labels missing) is not clean
            either.
        close_after: clean windows in a row that close an episode.

    Returns:
        The episodes after this look, those that just closed included, and the alerts to send. Both in a fixed order.
    """
    at = now.isoformat(timespec="microseconds")
    serious = [finding for finding in findings if finding.severity != INFO]
    grouped = {key: [f for f in serious if episode_key(f) == key] for key in sorted({episode_key(f) for f in serious})}
    judged = _judged(kinds, findings)
    after: dict[str, Episode] = {}
    news: list[_News] = []
    for episode in sorted((e for e in episodes if e.state == OPEN), key=lambda e: e.key):
        if episode.key not in grouped:
            clean = episode.clean_windows + (kind_of(episode.key) in judged)
            state = CLOSED if clean >= close_after else OPEN
            after[episode.key] = replace(episode, clean_windows=clean, state=state)
            continue
        messages = grouped.pop(episode.key)
        worst = _worst([episode.severity, *(finding.severity for finding in messages)])
        after[episode.key] = replace(episode, severity=worst, last_seen=at, clean_windows=0)
        if worst != episode.severity:
            news.append(_News(episode=after[episode.key], rise=True, messages=_texts(messages)))
    for key, found in grouped.items():
        severity = _worst([finding.severity for finding in found])
        after[key] = Episode(key=key, severity=severity, opened_at=at, last_seen=at, clean_windows=0, state=OPEN)
        news.append(_News(episode=after[key], rise=False, messages=_texts(found)))
    audible = [item for item in news if not _silenced(item.episode, after.values())]
    return [after[key] for key in sorted(after)], _alerts(audible, at)


def episode_key(finding: Finding) -> str:
    """Name the thing that a finding is about: "drift:temp", "quality:roc_auc", "errors:failed_share"."""
    return f"{finding.kind}:{finding.column if finding.column is not None else finding.statistic}"


def kind_of(key: str) -> str:
    """Return the kind of finding of an episode's key."""
    return key.partition(":")[0]


def _judged(kinds: Collection[str], findings: Sequence[Finding]) -> set[str]:
    """Return the kinds that come out clean when they have no serious finding."""
    unjudged = {finding.kind for finding in findings if finding.statistic in UNJUDGED}
    if not any(finding.kind == "quality" for finding in findings):
        unjudged.add("quality")  # it always gives its value; silence means that no label was there
    return set(kinds) - unjudged


def _silenced(episode: Episode, episodes: Iterable[Episode]) -> bool:
    """Say whether an open episode of at least this severity explains this one."""
    if kind_of(episode.key) != "drift":
        return False
    louder = [
        other
        for other in episodes
        if other.state == OPEN and SEVERITIES.index(other.severity) >= SEVERITIES.index(episode.severity)
    ]
    return any(kind_of(other.key) == "quality" or (other.key == WIDESPREAD != episode.key) for other in louder)


def _alerts(news: Sequence[_News], at: str) -> list[Alert]:
    """Fold news of one kind into one alert; what opens is told apart from what gets worse."""
    alerts = []
    for kind in sorted({kind_of(item.episode.key) for item in news}, key=_rank):
        for rise in (False, True):
            group = [item for item in news if kind_of(item.episode.key) == kind and item.rise == rise]
            if group:
                alerts.append(_alert(kind, group, at))
    return alerts


def _rank(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def _alert(kind: str, group: Sequence[_News], at: str) -> Alert:
    severity = _worst([item.episode.severity for item in group])
    things = [item.episode.key.partition(":")[2] for item in group]
    named = ", ".join(things[:4]) + (f" and {len(things) - 4} more" if len(things) > 4 else "")
    return Alert(
        key=group[0].episode.key if len(group) == 1 else f"{kind}:{len(group)} at once",
        severity=severity,
        title=f"{_TITLES.get(kind, kind)}{', worse than before' if group[0].rise else ''}: {named}",
        text=" ".join(message for item in group for message in item.messages),
        opened_at=min(item.episode.opened_at for item in group),
        at=at,
        rise=group[0].rise,
    )


def _worst(severities: Sequence[str]) -> str:
    return max(severities, key=SEVERITIES.index)


def _texts(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(finding.message for finding in findings)
