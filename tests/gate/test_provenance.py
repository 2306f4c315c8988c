from __future__ import annotations

from detent.gate.checks.provenance import Provenance

from .builders import always, evidence


def test_a_candidate_that_is_what_it_says_passes() -> None:
    assert Provenance()(always("provenance"), evidence(300)).decision == "pass"


def test_of_a_model_from_elsewhere_nobody_says_that_it_was_fitted_on_declared_rows() -> None:
    result = Provenance()(always("provenance"), evidence(300, elsewhere=True))
    assert result.decision == "pass"
    assert "fitted elsewhere, on rows that nobody here knows" in result.reason


def test_a_fault_is_a_rejection_and_gives_the_reason() -> None:
    result = Provenance()(always("provenance"), evidence(300, provenance=("labels differ", "and more")))
    assert (result.decision, result.reason) == ("reject", "labels differ")


def test_a_comparison_that_nobody_made_is_no_pass() -> None:
    assert Provenance()(always("provenance"), evidence(300, provenance=None)).decision == "inconclusive"
