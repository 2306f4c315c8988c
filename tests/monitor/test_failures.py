from __future__ import annotations

import pytest

from detent.monitor.failures import error_findings

SPAN = {"start": "2013-03-01T00:00:00.000000+00:00", "end": "2013-03-02T00:00:00.000000+00:00"}


@pytest.mark.parametrize(
    ("requests", "errors", "severity"),
    [(1000, 4, "INFO"), (1000, 5, "INFO"), (1000, 6, "WARNING"), (100, 19, "WARNING"), (100, 20, "CRITICAL"),
     (1000, 50, "WARNING"), (1000, 51, "CRITICAL"), (3, 3, "INFO")],
)  # fmt: skip
def test_failed_answers_are_judged_by_share_and_number(requests, errors, severity):
    (finding,) = error_findings(requests=requests, errors=errors, **SPAN)
    assert (finding.kind, finding.severity, finding.rows) == ("errors", severity, requests)
    assert finding.value == errors / requests


def test_without_failures_there_is_no_finding():
    assert error_findings(requests=100, errors=0, **SPAN) == []
    assert error_findings(requests=0, errors=0, **SPAN) == []
