"""How callers come in, as `serving` in detent.yaml declares it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackScore:
    """An answer that is known before anything is asked, for rows that no version could answer."""

    score: float
    field: str | None = None  # input field on which it depends; None: on nothing
    scores: tuple[tuple[str, float], ...] = ()  # (value of the field as text, score); any other value has `score`

    def of(self, value: object) -> float:
        """Return the score for a value of the field."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return next((score for known, score in self.scores if known == text), self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Limits, ports and encryption."""

    fast_path: bool = True  # False: every request goes through ASGI, with the same answers
    timeout: timedelta = timedelta(seconds=5)  # the longest that a caller waits, and that a call of a model may take
    most_open: int = 1024  # requests of one process that wait for their answers
    score: FallbackScore | None = None  # None: what no version answers is refused
    manage_host: str = "127.0.0.1"  # where those who run the server ask it; nobody else should reach this
    manage_port: int | None = None  # None: the port after that of predictions
    public_metrics: bool = False  # True: /metrics is answered on the port of predictions too
    certificate: str | None = None  # file with the certificate chain (PEM), relative to the project; None: plain HTTP
    private_key: str | None = None  # file with its key (PEM)
    origins: tuple[str, ...] = ()  # web pages whose scripts may ask: https://host[:port]
