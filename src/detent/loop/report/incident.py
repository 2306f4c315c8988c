"""One incident from the first drifted window to what came of it; each line carries its entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from detent.errors import DetentError
from detent.loop.report.monitor_text import wrapped
from detent.loop.report.story import sentence
from detent.loop.report.views import Incident, Moment
from detent.loop.workspace import Workspace
from detent.monitor.outbox import key_of
from detent.records.event import Event
from detent.store import ledger

ROLLOUT = ("rollout.opened", "rollout.advanced", "rollout.promoted", "rollout.rolled_back", "rollout.called_back")
OVER = ("rollout.promoted", "rollout.rolled_back", "rollout.called_back")
MOST_LOOKS = 3  # windows between the first one and the alert that are shown


def timeline(ws: Workspace, number: int) -> Incident:
    """Tell the incident that began with an alert, from what the ledger holds; see `timeline_of`.

    Raises:
        DetentError: there is no alert of that number.
    """
    return timeline_of(list(ledger.read(ws.db)), number)


def timeline_of(events: Sequence[Event], number: int) -> Incident:
    """Tell the incident that began with an alert.

    What is told: the windows in a row in which it was seen before, the alert and its deliveries, the trigger's
    decisions while it was open, the run and verdict that answered it, the way of the new version to traffic, the end of
    its episodes.

    Raises:
        DetentError: there is no alert of that number.
    """
    alerts = [event for event in events if event.kind == "alert.raised"]
    if not 1 <= number <= len(alerts):
        raise DetentError(
            what=f"there is no incident {number}",
            why=f"there were {len(alerts)} alerts so far" if alerts else "nobody was ever told anything",
            fix="see `detent monitor incident` for all of them",
        )
    alert = alerts[number - 1]
    keys = _keys(events, alert)
    closed = _closed(events, alert, keys)
    end = max((event.seq for event in closed), default=events[-1].seq)
    moments = [
        *_seen_before(events, alert, keys),
        *(_moment(event, "episode opened") for event in _opened(events, alert, keys)),
        _moment(alert, "alert"),
        *(_moment(event, "delivered") for event in _delivered(events, alert)),
        *_answer(events, alert, end),
        *(_moment(event, "episode closed") for event in closed),
    ]
    told: dict[int, Moment] = {moment.seq: moment for moment in moments}
    return Incident(
        number=number,
        title=alert.payload["title"],
        severity=alert.payload["severity"],
        about=tuple(keys),
        moments=tuple(told[seq] for seq in sorted(told)),
        over=len(closed) == len(keys),
    )


def incidents(ws: Workspace) -> list[tuple[int, Event]]:
    """Return every alert with its number, oldest first."""
    return list(enumerate(ledger.read(ws.db, kind="alert.raised"), start=1))


def _keys(events: Sequence[Event], alert: Event) -> list[str]:
    """Return the episodes that an alert is about: its own, or those of its kind that it tells of at once."""
    key = alert.payload["key"]
    if not key.endswith(" at once"):
        return [key]
    kind, things = key.partition(":")[0], alert.payload["title"].partition(": ")[2]
    named = [thing for thing in things.partition(" and ")[0].split(", ") if thing]
    at = [event for event in events if event.kind == "episode.opened" and event.payload["opened_at"] <= alert.time]
    known = {event.payload["key"] for event in at}
    return [f"{kind}:{thing}" for thing in named if f"{kind}:{thing}" in known] or [key]


def _opened(events: Sequence[Event], alert: Event, keys: Sequence[str]) -> list[Event]:
    found = {
        event.payload["key"]: event
        for event in events
        if event.kind == "episode.opened" and event.payload["key"] in keys and event.seq < alert.seq
    }
    return list(found.values())


def _closed(events: Sequence[Event], alert: Event, keys: Sequence[str]) -> list[Event]:
    found: dict[str, Event] = {}
    for event in events:
        if event.kind == "episode.closed" and event.seq > alert.seq and event.payload["key"] in keys:
            found.setdefault(event.payload["key"], event)
    return list(found.values())


def _delivered(events: Sequence[Event], alert: Event) -> Iterator[Event]:
    told = alert.payload
    for event in events:
        sent = event.kind in ("alert.delivered", "alert.given_up")
        if sent and event.payload["alert"] == key_of(told["key"], told["at"], told["severity"], told["rise"]):
            yield event


def _seen_before(events: Sequence[Event], alert: Event, keys: Sequence[str]) -> list[Moment]:
    """Return the windows in a row, up to the alert, in which any of it was found, weak signs included."""
    looks = [event for event in events if event.kind == "window.judged" and event.seq < alert.seq]
    kinds = {key.partition(":")[0] for key in keys}
    seen: list[Moment] = []
    for look in reversed(looks):
        findings = look.payload["findings"]
        mine = [finding for finding in findings if _is_about(finding, keys)]
        if mine:
            worst = mine[0]
            seen.append(Moment(at=look.time, what="seen", text=_words(worst), seq=look.seq))
        elif any(finding["kind"] in kinds for finding in findings):
            break  # it was looked for and not found
    if not seen:
        return []
    first = seen[-1]
    first = Moment(at=first.at, what="first seen", text=first.text, seq=first.seq)
    return [first, *seen[:-1][: MOST_LOOKS - 1][::-1]]


def _is_about(finding: dict[str, Any], keys: Sequence[str]) -> bool:
    part = f"[{finding['slice']}]" if finding.get("slice") else ""
    told = f"{finding['kind']}:{finding['column'] or finding['statistic']}{part}" in keys
    # Quality is measured in every window; only a window in which it was low belongs to the incident.
    return told and (finding["severity"] != "INFO" or finding["kind"] != "quality")


def _words(finding: dict[str, Any]) -> str:
    window = f"{finding['window_start'][:10]} to {finding['window_end'][:10]}"
    return f"window {window}: {finding['message']}"


def _answer(events: Sequence[Event], alert: Event, end: int) -> Iterator[Moment]:
    """Yield the first decision, the decision to train that followed, and the way of what was trained."""
    later = [event for event in events if event.seq > alert.seq]
    decisions = [
        event for event in later if event.kind in ("training.ignored", "training.requested", "trigger.decided")
    ]
    if decisions and decisions[0].seq <= end:
        yield _moment(decisions[0], "decision")
    asked = next((event for event in later if event.kind == "training.requested" and event.seq <= end), None)
    if asked is None:
        return
    yield _moment(asked, "decision")
    run = next((event for event in later if event.kind == "run.started" and event.seq > asked.seq), None)
    if run is None:
        return
    yield _moment(run, "training")
    for event in later:
        if event.subject == run.subject and (event.kind == "run.failed" or event.kind.startswith("verdict.")):
            yield _moment(event, "verdict" if event.kind.startswith("verdict.") else "training failed")
    yield from _way(later, run.subject.partition(":")[2])


def _way(later: Sequence[Event], run: str) -> Iterator[Moment]:
    """Yield a version's registration and rollout, with the routes that it led to."""
    made = next((e for e in later if e.kind == "version.registered" and e.payload["run"] == run), None)
    if made is None:
        return
    number = int(made.subject.rpartition("/")[2])
    yield Moment(at=made.time, what="registered", text=f"It is version {number}.", seq=made.seq)
    for event in later:
        if event.kind in ROLLOUT and event.payload.get("candidate") == number and event.seq > made.seq:
            yield _moment(event, event.kind.partition(".")[2].replace("_", " "))
            if event.kind in OVER:
                route = next((e for e in later if e.kind == "route.changed" and e.seq > event.seq), None)
                if route is not None and route.time == event.time:
                    yield Moment(at=route.time, what="traffic", text=_shares(route.payload["after"]), seq=route.seq)
                return


def _shares(after: dict[str, int]) -> str:
    return ", ".join(f"version {version} answers {weight / 100:g} %" for version, weight in after.items()) + "."


def _moment(event: Event, what: str) -> Moment:
    told = event.payload
    if event.kind.startswith("episode."):
        text = f"{told['key']} ({told['severity']})"
    elif event.kind == "alert.raised":
        text = f"{told['title']}. {told['text']}"
    elif event.kind == "training.requested":
        text = f"Retrain: {sentence(event)}"
    elif event.kind == "alert.delivered":
        text = f"{told['channel']} took it."
    elif event.kind == "run.started":
        text = f"{event.subject.partition(':')[2]} began."
    elif event.kind == "rollout.opened":
        text = f"Version {told['candidate']} starts its way to traffic."
    else:
        text = sentence(event)
    return Moment(at=event.time, what=what, text=text, seq=event.seq)


def incident_text(incident: Incident) -> list[str]:
    """Return the lines for a terminal."""
    over = "over" if incident.over else "still open"
    lines = [f"incident {incident.number}: {incident.title} ({incident.severity}, {over})", ""]
    for moment in incident.moments:
        head = f"{moment.at[:16].replace('T', ' ')}  {moment.what:<15}"
        lines += wrapped(f"{head} {moment.text}", moment.seq, hang=34)
    return lines
