"""Somebody's signed word that a model may pass although one check does not let it."""

from __future__ import annotations

from dataclasses import dataclass

NEVER = {
    "baseline": "scores that are broken, or worse than no model at all, are no matter of opinion",
    "overlap": "on rows that it was trained on, no check of the model says anything",
    "touch": "on rows that it was trained on, no check of the model says anything",
    "provenance": "what the model says about its own rows is not true, so no check of it says anything",
}  # kinds of checks that can't be waived, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """An exception for one check of one model on the rows that were looked at: never for a model to come."""

    id: str  # digest of everything below but the signature
    model: str
    verdict: str  # id of the verdict that was looked at
    bundle: str  # digest of the bundle's manifest
    data: str  # digest of the evaluation rows
    check: str  # text of the check
    kind: str  # kind of the check
    owner: str  # who answers for it
    reason: str
    made_at: str  # ISO time
    expires: str  # ISO time; from then on it does not help any more
    signature: str = ""  # Ed25519 of the project's key, hex
