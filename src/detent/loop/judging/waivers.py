"""Waivers in the loop: which of them help now, what they let pass, and when they are over."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from detent.bundle.waiver import SHORT, waiver_fault
from detent.errors import DetentError, RefusedError
from detent.gate import store, waivers
from detent.gate.waivers import Kept
from detent.loop.workspace import Workspace
from detent.records.check import Verdict
from detent.records.version import ModelVersion
from detent.records.waiver import Waiver
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Transaction

GRANTED = "waiver.granted"


def in_force(ws: Workspace, bundle: str) -> list[Waiver]:
    """Return the waivers about a bundle that help now: genuine and not expired, the one that lasts longest first."""
    now = iso(ws.now())
    rows = waivers.of_bundle(ws.db, ws.model, bundle)
    found = [row.waiver for row in rows if row.waiver is not None and not fault(ws, row)]
    return [waiver for waiver in found if waiver.bundle == bundle and waiver.expires > now]


def fault(ws: Workspace, row: Kept) -> str:
    """Return why a row is worth nothing, whatever the time; "" when its waiver is genuine."""
    if row.waiver is None:
        return f"waiver {row.id[:SHORT]} can't be read"
    if row.waiver.id != row.id or row.waiver.model != ws.model:
        return f"the row of waiver {row.id[:SHORT]} holds another waiver"
    return waiver_fault(row.waiver, ws.public_key)


def note_used(tx: Transaction, ws: Workspace, verdict: Verdict) -> None:
    """Write down, with the verdict, which waivers it passes by."""
    for waiver in verdict.waivers:
        if waivers.mark_used(tx, waiver.id, verdict.id):
            ledger.append(tx, waivers.used_fact(waiver, verdict.id, actor=ws.actor), ws.now())


def note_expired(ws: Workspace) -> list[Kept]:
    """Write down which waivers are over, once each, and return them."""
    now = iso(ws.now())
    if next(iter(waivers.due(ws.db, ws.model, now)), None) is None:
        return []
    with ws.db.transaction() as tx:
        over = [row for row in list(waivers.due(tx, ws.model, now)) if waivers.mark_expired(tx, row.id)]
        for row in over:
            ledger.append(tx, waivers.expired_fact(row, actor=ws.actor), ws.now())
    return [replace(row, state=waivers.EXPIRED) for row in over]


def lapsed(ws: Workspace, verdict: Verdict) -> Waiver | None:
    """Return the first waiver that a verdict passes by and nobody answers for any more; None when there is none."""
    now = iso(ws.now())
    over = [waiver for waiver in verdict.waivers if waiver.expires <= now]
    still = {(waiver.check, waiver.data) for waiver in in_force(ws, verdict.model_digest)} if over else set()
    return next((waiver for waiver in over if (waiver.check, waiver.data) not in still), None)


def require_in_force(ws: Workspace, version: ModelVersion) -> None:
    """Refuse to give traffic to a version that passed by a waiver that is over.

    A version that has traffic keeps it: nothing that answers is stopped by a date.

    Raises:
        RefusedError: with who answered for it, and how somebody may do so again.
    """
    try:
        verdict = store.load(ws.db, version.verdict)
    except DetentError:
        return  # the door of every serving process asks for the verdict itself
    waiver = lapsed(ws, verdict)
    if waiver is not None:
        raise RefusedError(
            what=f"version {version.number} may not be rolled out any more",
            why=f"it passed the gate by a waiver of {waiver.owner} for `{waiver.check}`, which expired on "
            f"{waiver.expires[:10]}",
            fix=f"ship a model that passes; or somebody answers for it anew: detent gate waive {verdict.id[:SHORT]} "
            f"{shlex.quote(waiver.check)} --reason TEXT --until DATE",
        )


def waiver_faults(ws: Workspace) -> Iterator[str]:
    """Yield what is wrong with the table of waivers: rows that were edited or made by hand, or are gone."""
    rows = {row.id: row for row in waivers.kept(ws.db, ws.model)}
    granted = {str(event.payload.get("waiver")): event for event in ledger.read(ws.db, kind=GRANTED)}
    for id, row in rows.items():
        wrong = fault(ws, row)
        if wrong:
            yield wrong
        elif id not in granted:
            yield f"waiver {id[:SHORT]} was made by hand: the ledger never granted it"
    for id, event in granted.items():
        if id not in rows:
            yield f"waiver {id[:SHORT]} was granted (event {event.seq}) and its row is gone"
