"""Who may ask a server for what."""

from __future__ import annotations

from dataclasses import dataclass

SCOPES = ("predict", "test", "feedback", "metrics", "manage", "trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key, without its secret."""

    id: str  # public part of the key, in lists and in the ledger
    name: str  # who has it, in words
    number: int  # 0, 1, 2 ... in the order in which keys were made; never used again
    digest: str  # sha256 of the secret, hex
    scopes: tuple[str, ...]  # of SCOPES
    endpoints: tuple[str, ...] = ()  # at which it may ask for predictions; (): at all
    rate: float = 0.0  # requests per second; 0: no limit
    burst: int = 1  # requests that may come at once
    concurrency: int = 0  # requests that may wait for their answers at once; 0: no limit
    expires: str | None = None  # ISO time; None: never
    made_at: str = ""  # ISO time
    revoked_at: str | None = None  # ISO time; None: it is good
