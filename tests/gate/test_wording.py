"""Numbers as people read them."""

from __future__ import annotations

import pytest

from detent.gate.wording import count, limit, percent, quantity


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("threshold", 0.7123456, "0.7123"),
        ("threshold", -0.0033, "-0.0033"),
        ("threshold", 12.3456, "12.35"),
        ("threshold", 12345.6, "12,346"),
        ("latency", 0.0123, "12.3 ms"),
        ("latency", 1.5, "1.5 s"),
        ("latency", 0.00085, "850 us"),
        ("latency", 1e-8, "0.01 us"),
        ("size", 1_234_567.0, "1.23 MB"),
        ("size", 900.0, "900 B"),
        ("size", 0.0, "0 B"),
    ],
)
def test_a_value_has_the_unit_of_its_kind(kind: str, value: float, text: str) -> None:
    assert quantity(kind, value) == text


def test_a_limit_reads_as_it_was_written() -> None:
    assert (limit("threshold", 0.65), limit("latency", 0.02), limit("size", 5e7)) == ("0.65", "20 ms", "50 MB")


def test_counts_and_shares_read_well() -> None:
    assert (count(1), count(5000), count(2, "slice"), percent(0.0624)) == ("1 row", "5,000 rows", "2 slices", "6.24 %")
