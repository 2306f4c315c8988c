from __future__ import annotations

import pytest

from detent.errors import ProjectError
from detent.project.monitor import read_monitor
from detent.project.nodes import read_yaml
from detent.records.project import DriftPlan, Target

TARGET = Target(data="d", column="y", known_at=None, task="binary")


def drift(tmp_path, text):
    path = tmp_path / "detent.yaml"
    path.write_text(f"monitor: {{{text}}}\n")
    return read_monitor(read_yaml(path).section().get("monitor"), TARGET).drift


def test_without_a_word_there_is_one_false_alarm_a_month():
    assert read_monitor(None, TARGET).drift == DriftPlan()
    assert DriftPlan().false_alarms == 1.0


def test_every_key_is_read(tmp_path):
    plan = drift(
        tmp_path,
        "false_alarms: 2/week, scales: [7, 1], correction: by, warn: {psi: 0.2, nulls: 5%}, "
        "seasonal: off, slices: [origin], keep_rows: 0, embeddings: [text_]",
    )
    assert plan.false_alarms == pytest.approx(2 * 30 / 7)
    assert (plan.scales, plan.correction, plan.seasonal) == ((1, 7), "by", "off")
    assert (plan.psi, plan.wasserstein, plan.nulls) == (0.2, 0.1, 0.05)
    assert (plan.slices, plan.keep_rows, plan.embeddings) == (("origin",), 0, ("text_",))


def test_a_null_is_the_default(tmp_path):
    assert drift(tmp_path, "scales: null, warn: null, false_alarms: null") == DriftPlan()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("false_alarms: 0/month", "nothing could be found"),
        ("false_alarms: seldom", "no rate"),
        ("warn: {psi: 0}", "any size"),
        ("warn: {ks: 0.1}", "no key"),
        ("window: 0h", "whole hours"),
        ("window: 90m", "whole hours"),
        ("window: 99999999999999d", "longer than any time"),
        ("scales: [0]", "out of range"),
        ("scales: [1.5]", "no whole number"),
        ("correction: holm", "not known"),
        ("seasonal: weekly", "not known"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(tmp_path, text, why):
    with pytest.raises(ProjectError, match=why) as refused:
        drift(tmp_path, text)
    assert refused.value.where.line == 1
