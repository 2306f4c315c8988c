"""Find a verdict by what people call it: the version, the run, or the beginning of its own id."""

from __future__ import annotations

from dataclasses import dataclass

from detent.errors import RefusedError, did_you_mean
from detent.gate import store
from detent.loop.happened import verdicts_after
from detent.loop.workspace import Workspace
from detent.records.check import Verdict
from detent.records.event import Event
from detent.records.version import ModelVersion
from detent.registry import versions

_DIGITS = 8  # a number of fewer digits is a version, else the beginning of an id
_LEAST = 4  # letters by which an id is found
_LIST = "see `detent log --kind verdict` for what was judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict, and what it was about."""

    verdict: Verdict
    run: str  # "": the ledger names none
    origin: str
    version: ModelVersion | None  # the version that its bundle became


def find_judged(ws: Workspace, name: str | None) -> Judged:
    """Return the newest verdict of a version or a run, the verdict whose id begins so, or without a name the newest.

    A version's verdict is the one that let it in.

    Raises:
        RefusedError: nothing was judged yet, or nothing has this name.
    """
    if name is not None and name.isdigit() and len(name) < _DIGITS:
        version = versions.get(ws.db, ws.model, int(name))
        return _judged(ws, store.load(ws.db, version.verdict))
    told = list(verdicts_after(ws.db, 0))
    if not told:
        raise RefusedError(
            what=f"nothing of `{ws.model}` was judged yet",
            why="the ledger knows no verdict",
            fix="make a candidate first: detent run",
        )
    return _judged(ws, _verdict(ws, told, name))


def judged_model(ws: Workspace, digest: str) -> tuple[str, str]:
    """Return the run that made a bundle and its origin, by the newest verdict on it; ("", "") when nobody knows."""
    about = [event for event in verdicts_after(ws.db, 0) if event.payload.get("model_digest") == digest]
    if not about:
        return "", ""
    return about[-1].subject.removeprefix("run:"), str(about[-1].payload.get("origin") or "")


def _verdict(ws: Workspace, told: list[Event], name: str | None) -> Verdict:
    if name is None:
        return store.load(ws.db, told[-1].payload["verdict"])
    of_run = [event for event in told if event.subject == f"run:{name}"]
    if of_run:
        return store.load(ws.db, of_run[-1].payload["verdict"])
    found = store.find(ws.db, ws.model, name.lower()) if len(name) >= _LEAST else []
    if len(found) == 1:
        return found[0]
    if found:
        raise RefusedError(
            what=f"`{name}` begins {len(found)} verdicts",
            why="it must name one: " + ", ".join(verdict.id[: len(name) + 6] for verdict in found[:3]),
            fix="write more of its letters",
        )
    runs = tuple(dict.fromkeys(event.subject.removeprefix("run:") for event in told))
    raise RefusedError(
        what=f"`{name}` is no version, no run and no verdict of `{ws.model}`",
        why="a version is a number, a run reads like run-0012, and a verdict is named by the beginning of its id",
        fix=f"{did_you_mean(name, runs)}; {_LIST}" if len(runs) < 10 else _LIST,
    )


def _judged(ws: Workspace, verdict: Verdict) -> Judged:
    run, origin = judged_model(ws, verdict.model_digest)
    return Judged(verdict=verdict, run=run, origin=origin, version=versions.find(ws.db, ws.model, verdict.model_digest))
