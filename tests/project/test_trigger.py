from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project.nodes import read_yaml
from detent.project.prices import read_prices
from detent.project.trigger import read_trigger
from detent.records.cost import Prices
from detent.records.project import Slo


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str, reader=read_trigger):
        (tmp_path / "detent.yaml").write_text(text)
        return reader(read_yaml(tmp_path / "detent.yaml"))

    return read


def test_without_the_section_nothing_asks_and_every_guard_is_on():
    plan = read_trigger(None)
    asks = (plan.cron, plan.drift, plan.quality, plan.new_rows, plan.webhooks, plan.slo)
    assert asks == (None, None, None, None, (), None)
    assert (plan.cooldown, plan.budget, plan.budget_period) == (timedelta(days=1), 4, timedelta(days=30))
    assert (plan.money, plan.new_labels, plan.challenger, plan.fallback, plan.ask_after) == (None, 0, True, True, 2)


def test_every_key_is_read(read):
    plan = read(
        "{webhooks: [refresh, ci-2], slo: {errors: 1%, over: 30m}, money: 20, new_labels: 500, challenger: off, "
        "fallback: off, ask_after: 3}"
    )
    assert plan.webhooks == ("refresh", "ci-2")
    assert plan.slo == Slo(errors=0.01, burn=14.4, over=timedelta(minutes=30))
    assert (plan.money, plan.new_labels, plan.challenger, plan.fallback, plan.ask_after) == (20.0, 500, False, False, 3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{webhooks: [a/b]}", "can't be a part of an address"),
        ("{webhooks: [a, a]}", "stands there twice"),
        ("{slo: {burn: 2}}", "`errors` is missing"),
        ("{slo: {errors: 0%}}", "is no share"),
        ("{slo: {errors: 1%, over: 1s}}", "too few requests"),
        ("{money: -1}", "out of range"),
        ("{challenger: maybe}", "neither on nor off"),
        ("{ask_after: 0}", "out of range"),
        ("{webhook: [a]}", "no key of this section"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(read, text, why):
    with pytest.raises(ProjectError) as refused:
        read(text)
    assert why in refused.value.why
    assert refused.value.where.line == 1


def test_prices_have_defaults_and_none_is_negative(read):
    assert read("{currency: CHF, cpu_hour: 0.1}", read_prices) == Prices(currency="CHF", cpu_hour=0.1)
    with pytest.raises(ProjectError, match="cpu_hour"):
        read("{cpu_hour: -0.1}", read_prices)
