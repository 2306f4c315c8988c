"""What a verdict is about, by digest: it says nothing about any other model, rows or policy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Digests of everything that was judged together."""

    model_digest: str  # of the candidate's manifest
    data_digest: str  # of the evaluation rows
    policy_digest: str  # of the gate section
    champion_digest: str | None  # of the champion's manifest; None: nothing to compare with
