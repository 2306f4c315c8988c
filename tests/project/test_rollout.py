from __future__ import annotations

from datetime import timedelta

import pytest

from detent.errors import ProjectError
from detent.project.nodes import read_yaml
from detent.project.rollout import read_rollout
from detent.records.check import Check
from detent.records.project import Experiment, Proof

LATENCY = Check(
    text="latency_p99 <= 20ms", kind="latency", metric="latency_p99", op="<=", threshold=0.02, confidence=None,
    by=None, line=1,
)  # fmt: skip


def parsed(tmp_path, text, gate=()):
    (tmp_path / "detent.yaml").write_text(f"rollout: {text}\n")
    return read_rollout(read_yaml(tmp_path / "detent.yaml").section(("rollout",)).get("rollout"), gate)


def test_without_a_section_everything_has_a_careful_default():
    plan = read_rollout(None, (LATENCY,))
    assert [stage.name for stage in plan.stages] == ["shadow", "5%", "25%", "100%"]
    assert (plan.kind, plan.on_timeout, plan.min_entities, plan.alpha) == ("canary", "hold", 30, 0.002)
    assert plan.slow == timedelta(milliseconds=20)  # the gate's own limit
    assert plan.slower == 1.0
    assert plan.proof == Proof(alpha=0.05, ratio=1.5, failures=0.005, slow=0.005, slower=0.1, loss=None)
    assert read_rollout(None, ()).slow is None


def test_what_must_be_shown_and_what_a_timeout_does_are_written_out(tmp_path):
    plan = parsed(
        tmp_path,
        "{stages: [shadow for 10m, 10%, 99% for 24h, 100%], on_timeout: rollback, slow: 50ms, slower: off, "
        "promote: {failures: 10%, ratio: 2, loss: 0.01}}",
    )
    assert [stage.lasts for stage in plan.stages] == [timedelta(minutes=10), None, timedelta(hours=24), None]
    assert (plan.on_timeout, plan.slow, plan.slower) == ("rollback", timedelta(milliseconds=50), None)
    assert plan.proof == Proof(failures=0.1, ratio=2, loss=0.01)


def test_a_gate_limit_can_be_switched_off(tmp_path):
    assert parsed(tmp_path, "{slow: off}", (LATENCY,)).slow is None


def test_experiments_have_their_own_keys(tmp_path):
    assert parsed(tmp_path, "{kind: ab, split: 20%, lasts: 7d}").experiment == Experiment(
        split=2000, lasts=timedelta(days=7)
    )
    bandit = parsed(tmp_path, "{kind: bandit, reward: label, every: 15m, floor: 2%, half_life: 3d, min_rewards: 200}")
    assert bandit.experiment == Experiment(
        reward="label", every=timedelta(minutes=15), floor=0.02, half_life=timedelta(days=3), min_rewards=200
    )
    assert [stage.name for stage in parsed(tmp_path, "{kind: blue_green}").stages] == ["shadow", "100%"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{kind: canari}", "did you mean `canary`"),
        ("{kind: ab, stages: [100%]}", "`stages` is no key of this section"),
        ("{on_timeout: promote}", "`promote` is not known here"),
        ("{stages: [5%, 50%]}", "the last stage must be 100%"),
        ("{stages: [50% for ever, 100%]}", "no duration"),
        ("{promote: {failures: 0}}", "no share"),
        ("{stages: [shadow, 5, 100%]}", "such as 5%"),
        ("{stages: [50%, 100% for 24h]}", "99% for 24h, 100%"),
        ("{max_time: 10m}", "max_time (10 min) ends a stage before min_time (60 min) is over"),
        ("{max_time: 7}", "write for example 7s, 7m, 7h or 7d"),
        ("{slow: 0ms}", "`0ms` is no time at all"),
        ("{kind: ab, split: 100%}", "leaves one side without requests"),
        ("{kind: ab, split: 0.001%}", "leaves one side without requests"),
        ("{kind: ab, lasts: 0d}", "`0d` is no time at all"),
        ("{kind: bandit, half_life: 0h}", "`0h` is no time at all"),
        ("{kind: bandit, every: 0m}", "`0m` is no time at all"),
        ("{kind: bandit, floor: 60%}", "two arms can't both have `60%`"),
    ],
)
def test_mistakes_are_named(tmp_path, text, said):
    with pytest.raises(ProjectError) as caught:
        parsed(tmp_path, text)
    assert said in str(caught.value)


def test_a_stage_with_a_time_of_its_own_may_last_longer_than_max_time(tmp_path):
    plan = parsed(tmp_path, "{stages: [shadow for 2h, 50% for 5h, 100%], max_time: 30m}")
    assert plan.max_time == timedelta(minutes=30)
