"""Grant a waiver: somebody answers, by name and until a day, for one check of one model on the rows that were seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.bundle.keys import genuine
from detent.bundle.sign import seal, sealed_bytes
from detent.bundle.waiver import SHORT, sign_waiver
from detent.errors import RefusedError, TamperedError, did_you_mean
from detent.gate import store, waivers
from detent.gate.advice import unwaivable
from detent.gate.decisive import in_the_way
from detent.gate.judge import judge_again
from detent.loop.champion import champion_version
from detent.loop.judging.judge import is_pass, verdict_fact
from detent.loop.judging.judged import Judged
from detent.loop.judging.waivers import in_force, note_expired, note_used
from detent.loop.runs.mirror import mirror_version
from detent.loop.workspace import Workspace
from detent.records.check import PASS, CheckResult, Verdict
from detent.records.version import ModelVersion
from detent.records.waiver import Waiver
from detent.registry import versions
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Transaction

LONGEST = timedelta(days=90)
MOST_NAME, MOST_REASON = 100, 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What became of a waiver."""

    waiver: Waiver
    verdict: Verdict | None  # that passes now; None: other checks stand in the way
    version: ModelVersion | None  # what the model became by it, or was already
    in_the_way: tuple[CheckResult, ...]  # () when it passes


def grant(ws: Workspace, judged: Judged, check: str, *, owner: str, reason: str, until: datetime) -> Granted:
    """Sign and store a waiver; when nothing else is in the way, give the verdict anew and register the model.

    All of it is one transaction. The model is not scored again: who waives answers for what was measured.

    Raises:
        RefusedError: there is no such check, it passes, or can't be waived; no reason or owner; a date in the past or
            too far away; a drill's model; the gate section or the champion is not the one of the verdict.
        TamperedError: the verdict is not sealed by this project's key.
    """
    verdict, now = judged.verdict, ws.now()
    note_expired(ws)
    _require_genuine(ws, verdict)
    result = _result(verdict, check)
    _require_waivable(result, judged)
    _require_current(ws, judged)
    known = in_force(ws, verdict.model_digest)
    _require_until(until, now, [waiver for waiver in known if waiver.check == result.check])
    waiver = _signed(ws, verdict, result, owner=owner, reason=reason, until=until)
    again = judge_again(verdict, [waiver, *known], now=now)
    with ws.db.transaction() as tx:
        waivers.save(tx, waiver)
        ledger.append(tx, waivers.granted_fact(waiver, actor=ws.actor), now)
        if not is_pass(again):
            return Granted(waiver=waiver, verdict=None, version=None, in_the_way=tuple(in_the_way(again.results)))
        sealed = seal(again, ws.key)
        version = _let_in(tx, ws, judged, sealed)
    if judged.version is None:
        mirror_version(ws, version)
    return Granted(waiver=waiver, verdict=sealed, version=version, in_the_way=())


def _signed(
    ws: Workspace, verdict: Verdict, result: CheckResult, *, owner: str, reason: str, until: datetime
) -> Waiver:
    told = Waiver(
        id="",
        model=ws.model,
        verdict=verdict.id,
        bundle=verdict.model_digest,
        data=verdict.data_digest,
        check=result.check,
        kind=result.kind,
        owner=_said("owner", owner, MOST_NAME),
        reason=_said("reason", reason, MOST_REASON),
        made_at=iso(ws.now()),
        expires=iso(until),
    )
    return sign_waiver(told, ws.key)


def _let_in(tx: Transaction, ws: Workspace, judged: Judged, verdict: Verdict) -> ModelVersion:
    """Store the verdict that passes, say so, and register the model, which is a version already if it passed before."""
    now = ws.now()
    store.save(tx, verdict, ws.model, now)
    note_used(tx, ws, verdict)
    champion = champion_version(ws)
    ledger.append(tx, verdict_fact(ws, verdict, run=judged.run, origin=judged.origin, champion=champion), now)
    return versions.register(
        tx,
        model=ws.model,
        digest=verdict.model_digest,
        verdict=verdict,
        run=judged.run,
        origin=judged.origin,
        now=now,
        public=ws.public_key,
    )


def _require_genuine(ws: Workspace, verdict: Verdict) -> None:
    if not genuine(verdict.signature, sealed_bytes(verdict), ws.public_key):
        raise TamperedError(
            what=f"verdict {verdict.id[:SHORT]} is not sealed by this project's key",
            why="it was edited, or it did not come from this project's gate",
            fix="judge the model again: detent gate rerun RUN; `detent verify` names what else was edited",
        )


def _result(verdict: Verdict, check: str) -> CheckResult:
    """Return the result of a check by its text, whatever its spaces; an always-on one by its kind too."""
    wanted = _squeezed(check)
    for result in verdict.results:
        if wanted in (_squeezed(result.check), result.check.removesuffix(" (always on)")):
            return result
    names = tuple(result.check for result in in_the_way(verdict.results))
    raise RefusedError(
        what=f"verdict {verdict.id[:SHORT]} has no check `{check}`",
        why="a waiver is about one check, by its text in the gate section",
        fix=did_you_mean(check, names) if names else "nothing is in the way of this verdict",
    )


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _require_waivable(result: CheckResult, judged: Judged) -> None:
    name, verdict = f"`{result.check}`", judged.verdict
    if result.decision == PASS:
        others = [f"`{other.check}`" for other in in_the_way(verdict.results)]
        raise RefusedError(
            what=f"{name} passes, so there is nothing to waive",
            why=result.reason,
            fix=f"what stands in the way is {', '.join(others)}" if others else "this verdict passes as it is",
        )
    if unwaivable(result):
        raise RefusedError(
            what=f"{name} can't be waived by anybody",
            why=unwaivable(result),
            fix=f"mend the cause: {result.reason}",
        )
    if judged.origin.startswith("sabotage"):
        raise RefusedError(
            what="a known-bad model can't be let through",
            why=f"{judged.run} was shipped by `detent sabotage`, to see that it is stopped",
            fix="waive a check of an honest candidate",
        )
    if not judged.run:
        raise RefusedError(
            what=f"nobody knows which run verdict {verdict.id[:SHORT]} is about",
            why="the ledger has no entry about it",
            fix="judge the model again: detent run",
        )


def _require_current(ws: Workspace, judged: Judged) -> None:
    """Refuse to answer for a comparison that is not the one that would be made today."""
    again = f"judge it again first: detent gate rerun {judged.run}"
    if judged.verdict.policy_digest != ws.project.policy_digest:
        raise RefusedError(
            what="the gate section is not the one that this verdict was given by",
            why="detent.yaml has changed since, so the check may ask for something else now",
            fix=again,
        )
    champion = champion_version(ws)
    same = judged.verdict.champion_digest == (champion.digest if champion else None)
    if not same and (champion is None or champion.digest != judged.verdict.model_digest):
        now = f"version {champion.number}" if champion else "no champion"
        raise RefusedError(
            what="the champion is not the one that this verdict compares with",
            why=f"there is {now} now, so the difference may be another",
            fix=again,
        )


def _require_until(until: datetime, now: datetime, same: Sequence[Waiver]) -> None:
    if until <= now:
        raise RefusedError(
            what=f"{_shown(until)} is in the past",
            why="a waiver helps until a moment to come; a date means its midnight, UTC",
            fix=f"give a later one, such as {now + timedelta(days=14):%Y-%m-%d}",
        )
    if until > now + LONGEST:
        raise RefusedError(
            what=f"{_shown(until)} is too far away",
            why=f"a waiver lasts {LONGEST.days} days at most: an exception that never ends is another policy",
            fix=f"give a date up to {now + LONGEST:%Y-%m-%d}, or change the gate section",
        )
    if same and iso(until) <= same[0].expires:
        raise RefusedError(
            what=f"{same[0].owner} answers for `{same[0].check}` until {same[0].expires[:10]} already",
            why="a second waiver that ends no later changes nothing",
            fix="give a later date, or none: `detent gate waivers` shows what is in force",
        )


def _shown(moment: datetime) -> str:
    return iso(moment)[:16].replace("T", " ").removesuffix(" 00:00")


def _said(what: str, text: str, most: int) -> str:
    """Return a text on one line."""
    plain = " ".join(text.split())
    if not plain or len(plain) > most or not plain.isprintable():
        found = "is empty" if not plain else f"has {len(plain):,} characters" if len(plain) > most else "is no text"
        raise RefusedError(
            what=f"the {what} of the waiver {found}",
            why="it is what others will read when they ask why this model was let through",
            fix=f"say it in words, in at most {most} characters",
        )
    return plain
