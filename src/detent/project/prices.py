"""The section `prices`: what a CPU hour, a GPU hour, storage and requests cost."""

from __future__ import annotations

from detent.project.nodes import Value
from detent.records.cost import Prices

_KEYS = ("currency", "cpu_hour", "gpu_hour", "gb_month", "million_requests")


def read_prices(value: Value) -> Prices:
    """Read the prices; a key that is left out has its default.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    section, usual = value.section(_KEYS), Prices()

    def price(key: str, default: float) -> float:
        return section.read(key, lambda item: item.number(low=0), default)

    return Prices(
        currency=section.read("currency", Value.text, usual.currency),
        cpu_hour=price("cpu_hour", usual.cpu_hour),
        gpu_hour=price("gpu_hour", usual.gpu_hour),
        gb_month=price("gb_month", usual.gb_month),
        million_requests=price("million_requests", usual.million_requests),
    )
