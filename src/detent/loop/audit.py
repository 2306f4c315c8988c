"""Are the registry's tables what the ledger says? Versions, aliases and verdicts, row by row and both ways round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import msgspec

from detent.bundle.keys import genuine
from detent.bundle.sign import sealed_bytes
from detent.bundle.waiver import unearned
from detent.errors import DetentError, TamperedError
from detent.gate import store as verdicts
from detent.loop.judging.judge import is_pass
from detent.loop.judging.waivers import waiver_faults
from detent.loop.workspace import Workspace
from detent.records.event import Event
from detent.records.version import AliasChange, ModelVersion
from detent.registry import aliases, versions
from detent.store import ledger
from detent.store.ledger import Audit

REGISTERED, MOVED = "version.registered", "alias.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the ledger says about one kind of thing, in order."""

    events: Sequence[Event]
    times: Mapping[int, str]  # of every event in the ledger, by number

    def fits(self, event: Event, time: str) -> bool:
        """True when a row of that time can be the event's: the same, unless the ledger held a clock's step back."""
        before = self.times.get(event.seq - 1)
        return time == event.time or (event.time == before and time < event.time)


def audit(ws: Workspace) -> Audit:
    """Check the ledger's chain, the registry's tables against it, every version's verdict, and every waiver.

    Faults are sentences that name the row; the chain's own come first.
    """
    chain = ledger.verify(ws.db)
    try:
        # An event whose payload is no mapping was edited, and the chain's faults name it.
        events = [event for event in ledger.read(ws.db) if isinstance(event.payload, dict)]
    except ValueError:  # the chain's faults name the event that can't be read
        return chain
    times = {event.seq: event.time for event in events}
    registered = [event for event in events if event.kind == REGISTERED]
    moved = [event for event in events if event.kind == MOVED]
    models = {ws.model, *map(_model_of_version, registered), *(_after_colon(event) for event in moved)}
    faults: list[str] = []
    for model in sorted(models):
        about = [event for event in registered if _model_of_version(event) == model]
        faults += _version_faults(ws, model, _Told(events=about, times=times))
        about = [event for event in moved if _after_colon(event) == model]
        faults += _alias_faults(ws, model, _Told(events=about, times=times))
    faults += waiver_faults(ws)
    return replace(chain, faults=(*chain.faults, *faults))


def require_untouched(ws: Workspace) -> None:
    """Refuse to go on with a state whose ledger or tables were edited.

    Raises:
        TamperedError: naming the first fault.
    """
    faults = audit(ws).faults
    if faults:
        raise TamperedError(
            what=f"this state is not what was written: {faults[0]}",
            why="ledger, registry and verdicts no longer fit together"
            + (f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""),
            fix="`detent verify` lists every fault; restore .detent from a backup, or begin a new state",
        )


def _version_faults(ws: Workspace, model: str, told: _Told) -> Iterator[str]:
    rows = {str(version.number): version for version in versions.all_versions(ws.db, model)}
    known: set[str] = set()
    for event in told.events:
        number = event.subject.rpartition("/")[2]
        known.add(number)
        if number not in rows:
            yield f"version {model}/{number} was registered (event {event.seq}) and its row is gone"
            continue
        differing = _differing(rows[number], event, told)
        if differing:
            yield f"the row of version {model}/{number} was edited: its {differing} is not that of event {event.seq}"
    for number, version in rows.items():
        if number not in known:
            yield f"the row of version {version} was made by hand: the ledger never registered it"
        fault = _verdict_fault(ws, version)
        if fault:
            yield f"version {version} has no right to be there: {fault}"


def _differing(version: ModelVersion, event: Event, told: _Told) -> str:
    """Return the names of the columns that differ from the event."""
    names = [
        name for name in ("digest", "verdict", "run", "origin") if getattr(version, name) != event.payload.get(name)
    ]
    if not told.fits(event, version.registered_at):
        names.append("registered_at")
    return ", ".join(names)


def _verdict_fault(ws: Workspace, version: ModelVersion) -> str | None:
    """Say why the version's verdict does not let it in."""
    name = f"its verdict {version.verdict[:12]}"
    try:
        verdict = verdicts.load(ws.db, version.verdict)
    except DetentError:
        return f"{name} is not stored"
    except msgspec.MsgspecError:
        return f"{name} can't be read"
    if not genuine(verdict.signature, sealed_bytes(verdict), ws.public_key):
        return f"{name} is not sealed by this state's key"
    if verdict.id != version.verdict or verdict.model_digest != version.digest:
        return f"{name} is about another bundle"
    if not is_pass(verdict):
        return f"{name} is `{verdict.decision}`"
    return unearned(verdict, ws.public_key) or None


def _alias_faults(ws: Workspace, model: str, told: _Told) -> Iterator[str]:
    rows = aliases.history(ws.db, model)
    said = [f"`{event.payload.get('alias')}` to {_target(event.payload.get('number'))}" for event in told.events]
    kept = [f"`{row.alias}` to {_target(row.number)}" for row in rows]
    matcher = SequenceMatcher(None, said, kept, autojunk=False)
    for what, begin, end, first, last in matcher.get_opcodes():
        if what == "equal":
            for move, event, row in zip(said[begin:end], told.events[begin:end], rows[first:last], strict=True):
                names = _edited(event, row, told)
                if names:
                    yield f"the row of {model}'s alias {move} was edited: {names} is not that of event {event.seq}"
            continue
        for move, row in zip(kept[first:last], rows[first:last], strict=True):
            yield f"the row that moved {model}'s alias {move} ({row.at[:19]}, {row.actor}) is not in the ledger there"
        for move, event in zip(said[begin:end], told.events[begin:end], strict=True):
            yield f"event {event.seq} moved {model}'s alias {move}, and its row is gone or out of order"


def _edited(event: Event, row: AliasChange, told: _Told) -> str:
    """Return the names of the columns that differ from the event."""
    says = {"actor": event.actor, "reason": event.payload.get("reason")}
    names = [name for name, value in says.items() if getattr(row, name) != value]
    if not told.fits(event, row.at):
        names.append("at")
    return ", ".join(names)


def _target(number: object) -> str:
    return "nothing" if number is None else f"version {number}"


def _model_of_version(event: Event) -> str:
    return _after_colon(event).rpartition("/")[0]


def _after_colon(event: Event) -> str:
    return event.subject.partition(":")[2]
