"""What the trigger hears: findings of this look, our own deploys, the version before, calls, and the SLO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.loop.champion import CHAMPION
from detent.loop.releases.traffic import previous_champion
from detent.loop.triggers.same_rows import previous_on_same_rows
from detent.loop.workspace import Workspace
from detent.monitor import store
from detent.monitor.episodes import episode_key
from detent.records.finding import CRITICAL, INFO, SEVERITIES, Finding
from detent.records.version import AliasChange
from detent.registry import aliases
from detent.store import ledger
from detent.store.clock import parse
from detent.trigger import calls
from detent.trigger import store as triggers
from detent.trigger.signals import PERSISTENT, Burn, Compared, Deploy, Heard, Signals

LISTENED = ("quality", "drift", "estimate")
BROKEN = ("data", "contract")  # kinds that say that rows are nothing to learn from
OUTPUT = "prediction"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Where something fell: it began after `lower`, and was seen until `upper`."""

    lower: datetime
    start: datetime  # first row in which it was seen
    upper: datetime


def gather(ws: Workspace, findings: Sequence[Finding], *, burn: Burn | None = None) -> Signals:
    """Return everything that may move the trigger now; `findings` are those of this look."""
    changes = [change for change in aliases.history(ws.db, ws.model) if change.alias == CHAMPION]
    fell = _fell(ws, findings, burn)
    deploy = _deploy(changes, fell)
    broken = _broken(findings)
    return Signals(
        heard=tuple(_heard(ws, findings, changes)),
        broken=broken,
        clean=not broken and _clean(ws),
        champion=aliases.current(ws.db, ws.model, CHAMPION),
        deploy=deploy,
        previous=None if fell is None else _previous(ws, fell, deploy, failures=not _qualities(findings)),
        burn=burn,
        calls=calls.waiting(ws.db, ws.model),
        episodes=tuple(episode.key for episode in store.open_episodes(ws.db, ws.project.serving.endpoint)),
    )


def _heard(ws: Workspace, findings: Sequence[Finding], changes: Sequence[AliasChange]) -> list[Heard]:
    """Return the newest word about each thing, if it is a warning or worse; the worst first."""
    things: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.kind in LISTENED:
            things.setdefault(episode_key(finding), []).append(finding)
    found = []
    for thing, said in things.items():
        newest = max(finding.window_end for finding in said)
        last = max((f for f in said if f.window_end == newest), key=lambda f: (SEVERITIES.index(f.severity), f.severe))
        if last.severity != INFO:
            found.append(_one(ws, thing, last, changes))
    return sorted(
        found, key=lambda heard: (-SEVERITIES.index(heard.severity), not heard.severe, heard.kind, heard.thing)
    )


def _one(ws: Workspace, thing: str, finding: Finding, changes: Sequence[AliasChange]) -> Heard:
    # Our own deploys change answers, never what callers send.
    own = finding.column == OUTPUT and any(finding.window_start <= change.at < finding.window_end for change in changes)
    return Heard(
        kind=finding.kind,
        severity=finding.severity,
        thing=thing,
        message=finding.message,
        severe=finding.severe,
        windows=_windows(ws, thing, finding),
        importance=finding.importance,
        own_deploy=own,
    )


def _windows(ws: Workspace, thing: str, finding: Finding) -> int:
    """Return for how many windows in a row this was found, as far as the trigger cares."""
    if finding.kind == "quality":
        return 1  # measured quality does not wait
    window, end = ws.project.monitor.window, parse(finding.window_end)
    since = end - PERSISTENT * window
    stored = store.findings(ws.db, ws.project.serving.endpoint, kind=finding.kind, since=since)
    ends = {parse(one.window_end) for one in stored if episode_key(one) == thing and one.severity != INFO}
    ends.add(end)
    count = 1
    while count < PERSISTENT and any(_near(end - count * window, other, window) for other in ends):
        count += 1
    return count


def _near(one: datetime, other: datetime, window: timedelta) -> bool:
    return abs(one - other) < window / 2


def _broken(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return what is wrong with the newest window that was looked at, if it is nothing to learn from."""
    bad = [finding for finding in findings if finding.kind in BROKEN and finding.severity == CRITICAL]
    newest = max((finding.window_end for finding in findings), default="")
    return tuple(finding.message for finding in bad if finding.window_end == newest)


def _clean(ws: Workspace) -> bool:
    """True when data are in quarantine and the newest window with traffic has nothing broken in it."""
    memory, endpoint = triggers.remembered(ws.db, ws.model), ws.project.serving.endpoint
    if memory.quarantined_since is None:
        return False
    looks = ledger.read(ws.db, kind="window.watched", subject=f"traffic:{endpoint}", since=memory.quarantined_since)
    ends = [event.payload["end"] for event in looks if event.payload["rows"]]
    if not ends:
        return False
    last = max(ends)
    since = parse(last) - timedelta(microseconds=1)
    stored = store.findings(ws.db, endpoint, since=since)
    return not any(one.kind in BROKEN and one.severity == CRITICAL and one.window_end == last for one in stored)


def _qualities(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.kind == "quality" and finding.severity != INFO]


def _fell(ws: Workspace, findings: Sequence[Finding], burn: Burn | None) -> _Span | None:
    """Return where measured quality, or else the SLO, fell; None when neither did."""
    window, bad = ws.project.monitor.window, _qualities(findings)
    if bad:
        start = min(parse(finding.since or finding.window_start) for finding in bad)
        return _Span(lower=start - window, start=start, upper=max(parse(finding.window_end) for finding in bad))
    slo = ws.project.trigger.slo
    if burn is None or slo is None:
        return None
    return _Span(lower=ws.now() - 2 * slo.over, start=ws.now() - slo.over, upper=ws.now())


def _deploy(changes: Sequence[AliasChange], fell: _Span | None) -> Deploy | None:
    """Return the latest change of the champion if it lies where things fell; the very first one replaced nobody."""
    if fell is None or len(changes) < 2 or changes[-1].number is None:
        return None
    at = parse(changes[-1].at)
    return Deploy(version=changes[-1].number, at=changes[-1].at) if fell.lower <= at <= fell.upper else None


def _previous(ws: Workspace, fell: _Span, deploy: Deploy | None, *, failures: bool) -> Compared | None:
    if not ws.project.trigger.fallback:
        return None
    champion, previous = aliases.current(ws.db, ws.model, CHAMPION), previous_champion(ws)
    if champion is None or previous is None:
        return None
    start = fell.start if deploy is None else max(fell.start, parse(deploy.at))
    return previous_on_same_rows(
        ws, champion=champion, previous=previous, start=start, end=fell.upper, failures=failures
    )
