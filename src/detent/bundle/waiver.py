"""Signatures over waivers, and whether a verdict that passes by one deserves it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent.bundle.keys import genuine
from detent.records.check import PASS, CheckResult, Verdict
from detent.records.waiver import Waiver, barred
from detent.store.canonical import canonical, digest_of

_PURPOSE = b"detent waiver\n"  # a signature over a waiver can't be passed off as one over anything else
SHORT = 12  # letters of an id that people read


def sign_waiver(waiver: Waiver, key: Ed25519PrivateKey) -> Waiver:
    """Return the waiver with its id and its signature."""
    named = replace(waiver, id=_identity(waiver), signature="")
    return replace(named, signature=key.sign(_signed_bytes(named)).hex())


def waiver_fault(waiver: Waiver, public: bytes) -> str:
    """Return why a waiver is worth nothing, whatever the time; "" when it is genuine."""
    name = f"waiver {waiver.id[:SHORT]}"
    if waiver.id != _identity(waiver):
        return f"{name} was edited: its id is not that of what it says"
    if not genuine(waiver.signature, _signed_bytes(waiver), public):
        return f"{name} is not signed by this project's key"
    if barred(waiver.kind, waiver.check):
        return f"{name} is about `{waiver.check}`, which can't be waived"
    return ""


def unearned(verdict: Verdict, public: bytes | None) -> str:
    """Return why a verdict that says pass must not be believed, though it may be sealed; "" when all is well.

    Every result that does not pass needs a waiver inside the verdict: genuine (if there is a key to tell), about this
    check, this bundle and these rows, and in force when the verdict was given.
    """
    waivers = {waiver.id: waiver for waiver in verdict.waivers}
    for result in verdict.results:
        if result.decision == PASS:
            continue
        waiver = waivers.get(result.waiver)
        if waiver is None:
            return f"the check `{result.check}` says {result.decision}, and no waiver covers it"
        fault = _uncovered(waiver, result, verdict) or ("" if public is None else waiver_fault(waiver, public))
        if fault:
            return f"the check `{result.check}` says {result.decision}, and {fault}"
    return ""


def _uncovered(waiver: Waiver, result: CheckResult, verdict: Verdict) -> str:
    name = f"waiver {waiver.id[:SHORT]}"
    if barred(result.kind, result.check):
        return "this check can't be waived"
    if (waiver.check, waiver.kind) != (result.check, result.kind):
        return f"{name} is about the check `{waiver.check}`"
    if (waiver.bundle, waiver.data) != (verdict.model_digest, verdict.data_digest):
        return f"{name} is about another model or other rows"
    return f"{name} had expired when the verdict was given" if waiver.expires <= verdict.judged_at else ""


def _identity(waiver: Waiver) -> str:
    return digest_of(_told(waiver))


def _signed_bytes(waiver: Waiver) -> bytes:
    return _PURPOSE + canonical({"id": waiver.id, **_told(waiver)})


def _told(waiver: Waiver) -> dict[str, str]:
    told = msgspec.to_builtins(waiver)
    return {name: value for name, value in told.items() if name not in ("id", "signature")}
