"""A registered model version and the aliases that point to versions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One immutable entry of the registry."""

    model: str
    number: int  # 1, 2, 3 ... per model
    digest: str  # digest of the bundle's manifest
    verdict: str  # id of the verdict that let it in
    run: str  # run that made it
    origin: str  # "pipeline", "import" or "sabotage:<kind>"
    registered_at: str  # ISO time

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """One row of an alias' history."""

    model: str
    alias: str  # "champion", "challenger" or any name
    number: int | None  # None: the alias was taken away
    at: str  # ISO time
    actor: str
    reason: str
