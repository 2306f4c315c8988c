"""How large the bundle is."""

from __future__ import annotations

import pytest

from detent.gate.checks.size import Size

from .builders import check, evidence


@pytest.mark.parametrize(("bytes_", "decision"), [(50_000_000, "pass"), (50_000_001, "reject"), (0, "pass")])
def test_the_bundle_may_have_as_many_bytes_as_asked_and_not_one_more(bytes_: int, decision: str) -> None:
    result = Size()(check("size <= 50MB"), evidence(bundle_bytes=bytes_))
    assert (result.decision, result.value) == (decision, bytes_)


def test_a_size_that_nobody_measured_is_inconclusive() -> None:
    assert Size()(check("size <= 50MB"), evidence(bundle_bytes=None)).decision == "inconclusive"
