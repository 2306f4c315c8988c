"""Somebody's signed word that a model may pass although one check does not let it."""

from __future__ import annotations

import re
from dataclasses import dataclass

NEVER = {
    "baseline": "scores that are broken, or worse than no model at all, are no matter of opinion",
    "overlap": "on rows that it was trained on, no check of the model says anything",
    "touch": "it learnt from rows or labels that it could not have had, so no check of the model says anything",
    "provenance": "what the model says about its own rows is not true, so no check of it says anything",
}  # kinds of checks that can't be waived, and why
# The one line of such a kind that can be: known customers are no trained rows, and production may have the same ones.
_OF_AN_ENTITY = re.compile(r"\s*overlap\s*\(\s*by\s*=")


def barred(kind: str, check: str) -> str:
    """Return why a check can't be waived, whatever it found; "" when it can. `check` is its text."""
    if kind == "touch" and _OF_AN_ENTITY.match(check):
        return ""
    return NEVER.get(kind, "")


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
