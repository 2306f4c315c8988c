"""How many requests of a window got no answer. Pure."""

from __future__ import annotations

from detent.records.finding import CRITICAL, INFO, WARNING, Finding

FAILING, BROKEN = 0.005, 0.05  # shares of failed answers
LEAST_FAILURES, MANY_FAILURES = 5, 20  # below these a share is chance


def error_findings(*, requests: int, errors: int, start: str, end: str) -> list[Finding]:
    """Judge the share of failed requests: CRITICAL above 5 % (and 20 failures), WARNING above 0.5 % (and 5 failures).

    Fewer failures are INFO, none are no finding.

    Args:
        requests: of the window.
        errors: of these, those that got no answer from the chosen version.
        start: of the window, ISO time.
        end: of the window.
    """
    if errors == 0:
        return []
    share = errors / max(1, requests)
    severity, threshold = INFO, FAILING
    if share > FAILING and errors >= LEAST_FAILURES:
        severity = WARNING
    if share > BROKEN and errors >= MANY_FAILURES:
        severity, threshold = CRITICAL, BROKEN
    message = f"{errors:,} of {requests:,} requests failed ({share:.2%}); up to {threshold:.1%} is tolerated."
    return [
        Finding(
            kind="errors", severity=severity, column=None, statistic="failed_share", value=share, low=None, high=None,
            threshold=threshold, rows=requests, window_start=start, window_end=end, message=message,
        )
    ]  # fmt: skip
