"""Episodes: a run of findings about one thing is one piece of news. Pure.

An episode opens at the first WARNING or CRITICAL finding and closes after three windows without one. People hear of it
when it opens and when it gets worse, never daily. It gets calmer after three windows that found less, and may then get
worse again. What opens at one look is told in one alert per kind. News that explains other news silences it: while the
monitor does not work, or a feed is broken, or quality is known to have fallen, what follows from that (of the same or a
lower severity) is recorded but not sent; while most columns are known to have moved, so is each single one. What is
still there when the silence ends is told then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from detent.records.alert import Alert
from detent.records.finding import INFO, SEVERITIES, Episode, Finding

KINDS = ("meta", "data", "quality", "errors", "contract", "labels", "estimate", "drift")
CLOSE_AFTER = 3
WIDESPREAD = "drift:columns"  # the finding that many columns moved at once
OPEN, CLOSED = "open", "closed"
# Statistics of findings which say that their kind could not be judged in this window.
UNJUDGED = ("rows", "maturity")
TITLES = {"quality": "Quality has fallen", "errors": "Requests fail", "labels": "Labels are missing",
          "contract": "Data breaks its contract", "drift": "Data drifts", "data": "Data is broken",
           "estimate": "Quality may have fallen", "meta": "The monitor does not work"}  # fmt: skip
# Kind -> the kinds of news that explain it.
_EXPLAINED_BY = {"drift": ("meta", "data", "quality"), "estimate": ("meta", "data", "quality"), "quality": ("meta",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """An episode that opened or got worse, and why."""

    episode: Episode
    rise: bool
    findings: tuple[Finding, ...]


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
    for episode in sorted((e for e in episodes if e.state == OPEN), key=lambda e: e.key):
        found = grouped.get(episode.key)
        clean = found is None and kind_of(episode.key) in judged
        after[episode.key] = (
            _unseen(episode, clean, close_after) if found is None else _seen(episode, found, at, close_after)
        )
    for key, found in grouped.items():
        if key not in after:
            severity = _worst([finding.severity for finding in found])
            after[key] = Episode(key=key, severity=severity, opened_at=at, last_seen=at, clean_windows=0, state=OPEN)
    news = []
    for key, found in grouped.items():
        episode = after[key]
        if _louder(episode.severity, episode.told) and not _silenced(episode, after.values()):
            news.append(_News(episode=episode, rise=episode.told != "", findings=tuple(found)))
            after[key] = replace(episode, told=episode.severity)
    return [after[key] for key in sorted(after)], _alerts(news, at)


def episode_key(finding: Finding) -> str:
    """Name the thing that a finding is about: "drift:temp", "drift:temp[origin=JFK]", "quality:roc_auc"."""
    thing = finding.column if finding.column is not None else finding.statistic
    return f"{finding.kind}:{thing}" + ("" if finding.slice is None else f"[{finding.slice}]")


def kind_of(key: str) -> str:
    """Return the kind of finding of an episode's key."""
    return key.partition(":")[0]


def _judged(kinds: Collection[str], findings: Sequence[Finding]) -> set[str]:
    """Return the kinds that come out clean when they have no serious finding."""
    unjudged = {finding.kind for finding in findings if finding.statistic in UNJUDGED}
    if not any(finding.kind == "quality" for finding in findings):
        unjudged.add("quality")  # it always gives its value; silence means that no label was there
    return set(kinds) - unjudged


def _seen(episode: Episode, found: Sequence[Finding], at: str, close_after: int) -> Episode:
    """Return an open episode after a look that found it again: as bad, worse, or calmer."""
    now = _worst([finding.severity for finding in found])
    calmer = episode.calmer + 1 if _louder(episode.severity, now) else 0
    severity = episode.severity if 0 < calmer < close_after else now
    told = severity if _louder(episode.told, severity) else episode.told
    calmer = 0 if calmer >= close_after else calmer
    return replace(episode, severity=severity, last_seen=at, clean_windows=0, told=told, calmer=calmer)


def _unseen(episode: Episode, clean: bool, close_after: int) -> Episode:
    """Return an open episode after a look that did not find it; `clean`: its kind was judged."""
    windows = episode.clean_windows + clean
    return replace(episode, clean_windows=windows, state=CLOSED if windows >= close_after else OPEN)


def _louder(severity: str, other: str) -> bool:
    """Say whether a severity is above another; "" is below all."""
    return bool(severity) and (not other or SEVERITIES.index(severity) > SEVERITIES.index(other))


def _silenced(episode: Episode, episodes: Iterable[Episode]) -> bool:
    """Say whether an open episode of at least this severity explains this one."""
    causes = _EXPLAINED_BY.get(kind_of(episode.key), ())
    louder = [e for e in episodes if e.state == OPEN and not _louder(episode.severity, e.severity)]
    wide = kind_of(episode.key) == "drift" and episode.key != WIDESPREAD
    return any(kind_of(other.key) in causes or (wide and other.key == WIDESPREAD) for other in louder)


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
    things = [item.episode.key.partition(":")[2] for item in group]
    named = ", ".join(things[:4]) + (f" and {len(things) - 4} more" if len(things) > 4 else "")
    found = [finding for item in group for finding in item.findings]
    versions = {finding.version for finding in found}
    version = (("version", str(found[0].version)),) if len(versions) == 1 and None not in versions else ()
    return Alert(
        key=group[0].episode.key if len(group) == 1 else f"{kind}:{len(group)} at once",
        severity=_worst([item.episode.severity for item in group]),
        title=f"{TITLES.get(kind, kind)}{', worse than before' if group[0].rise else ''}: {named}",
        text=" ".join(finding.message for finding in found),
        opened_at=min(item.episode.opened_at for item in group),
        at=at,
        rise=group[0].rise,
        labels=(("kind", kind), *version),
    )


def _worst(severities: Sequence[str]) -> str:
    return max(severities, key=SEVERITIES.index)
