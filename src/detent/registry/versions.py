"""Numbered versions of a model. The only way in is a passing verdict about exactly these bytes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from detent.bundle.keys import genuine
from detent.bundle.sign import sealed_bytes
from detent.bundle.waiver import unearned
from detent.errors import RefusedError
from detent.records.check import PASS, Verdict
from detent.records.event import Fact
from detent.records.version import ModelVersion
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.registry")


def register(
    tx: Transaction,
    *,
    model: str,
    digest: str,
    verdict: Verdict,
    run: str,
    origin: str,
    now: datetime,
    public: bytes | None = None,
) -> ModelVersion:
    """Store a version and its ledger event `version.registered`, and return it. Numbers count up from 1 per model.

    A digest that is registered already gives its version again and writes nothing, so a run that crashed behind this
    call can simply be resumed. With `public`, the verdict's seal is checked too.

    Raises:
        RefusedError: the verdict does not pass, is about another digest, or its seal is not the key's; or it passes by
            a waiver that is forged, about something else, or over.
    """
    _check_verdict(model, digest, verdict, public)
    _check_waivers(model, verdict, public, iso(now))
    known = find(tx, model, digest)
    if known is not None:
        return known
    last = tx.row(_SQL["last_number"], model=model)
    version = ModelVersion(
        model=model,
        number=1 + ((last or {}).get("number") or 0),
        digest=digest,
        verdict=verdict.id,
        run=run,
        origin=origin,
        registered_at=iso(now),
    )
    tx.execute(_SQL["insert_version"], **asdict(version))
    payload = {"digest": digest, "verdict": verdict.id, "run": run, "origin": origin}
    ledger.append(
        tx, Fact(kind="version.registered", subject=f"version:{version}", actor=f"run:{run}", payload=payload), now
    )
    return version


def get(db: Reader, model: str, number: int) -> ModelVersion:
    """Return a version.

    Raises:
        RefusedError: it was never registered.
    """
    row = db.row(_SQL["version"], model=model, number=number)
    if row is None:
        last = (db.row(_SQL["last_number"], model=model) or {}).get("number")
        raise RefusedError(
            what=f"`{model}` has no version {number}",
            why=_registered(last),
            fix="see `detent status` for the registered versions",
        )
    return ModelVersion(**row)


def _registered(last: int | None) -> str:
    if not last:
        return "no version of it is registered yet"
    return "only version 1 is registered" if last == 1 else f"versions 1 to {last} are registered"


def find(db: Reader, model: str, digest: str) -> ModelVersion | None:
    """Return the version with this bundle digest, or None."""
    row = db.row(_SQL["version_by_digest"], model=model, digest=digest)
    return None if row is None else ModelVersion(**row)


def all_versions(db: Reader, model: str) -> list[ModelVersion]:
    """Return every version of a model, oldest first."""
    return [ModelVersion(**row) for row in db.rows(_SQL["versions"], model=model)]


def _check_verdict(model: str, digest: str, verdict: Verdict, public: bytes | None) -> None:
    if verdict.decision != PASS:
        raise _refused(model, f"its verdict is `{verdict.decision}`: {verdict.reason}", "ship a model that passes")
    if verdict.model_digest != digest:
        raise _refused(
            model,
            f"its verdict is about bundle {verdict.model_digest[:12]}, this is bundle {digest[:12]}",
            "judge this bundle; a verdict can't be carried over",
        )
    if public is not None and not genuine(verdict.signature, sealed_bytes(verdict), public):
        raise _refused(
            model, "its verdict is not sealed by this project's key", "judge the bundle again with `detent run`"
        )


def _check_waivers(model: str, verdict: Verdict, public: bytes | None, now: str) -> None:
    fault = unearned(verdict, public)
    if fault:
        raise _refused(model, f"its verdict says pass, but {fault}", "ship a model that passes")
    over = next((waiver for waiver in verdict.waivers if waiver.expires <= now), None)
    if over is not None:
        why = f"its verdict passes by a waiver of {over.owner} for `{over.check}`, which expired on {over.expires[:10]}"
        raise _refused(model, why, "judge the bundle again with `detent run`")


def _refused(model: str, why: str, fix: str) -> RefusedError:
    return RefusedError(what=f"this bundle can't become a version of `{model}`", why=why, fix=fix)
