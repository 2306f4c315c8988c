"""What work costs, in seconds, bytes and money."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What the project pays. The defaults are those of a small rented machine; write your own."""

    currency: str = "EUR"
    cpu_hour: float = 0.04  # one core for one hour
    gpu_hour: float = 2.0
    gb_month: float = 0.03  # 10^9 bytes kept for 30 days
    million_requests: float = 0.0  # what a gateway or a provider asks for per million requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something took, and what that costs."""

    cpu_seconds: float = 0.0
    gpu_seconds: float | None = None  # None: it was not measured
    wall_seconds: float = 0.0
    bytes: int = 0  # stored
    byte_seconds: float = 0.0  # bytes times the seconds that they are kept, as far as they are paid here
    requests: int = 0
    money: float = 0.0  # in the currency of the prices
