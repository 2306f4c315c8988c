"""Whether the process of a program grows with every call, beside the champion's."""

from __future__ import annotations

import json

import polars as pl

from detent.gate.checks.growth import LEAST
from detent.gate.declared import Growth
from detent.loop.judging.side_by_side import Party, ask_fresh

_PROGRAM = "sandbox"  # predictor that runs one; whatever else is served keeps nothing of a call
_MODULE = "detent.loop.judging.keeping"


def grown(candidate: Party, champion: Party | None, rows: pl.DataFrame) -> Growth | None:
    """Return what fresh processes keep of each call; None: the candidate is no program, or this system does not tell.

    One process is enough to clear a program; only two, beside the champion's, find it guilty.
    """
    if json.loads((candidate.folder / "manifest.json").read_bytes())["predictor"] != _PROGRAM:
        return None
    first = _kept(candidate, rows)
    if first is None or first.untold or first.ours[0] <= LEAST:
        return first
    second, other = _kept(candidate, rows), None if champion is None else _kept(champion, rows)
    if second is None or second.untold:
        return second
    return Growth(calls=first.calls, ours=first.ours + second.ours, theirs=() if other is None else other.ours)


def _kept(party: Party, rows: pl.DataFrame) -> Growth | None:
    told, why = ask_fresh(party, rows, _MODULE)
    if told is None:
        return Growth(untold=why)
    if told["failed"]:
        return Growth(untold=f"a process that served it failed: {told['failed']}")
    if told["kept"] is None:
        return None
    return Growth(calls=told["calls"], ours=(float(told["kept"]),))
