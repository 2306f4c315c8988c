"""The rules for Prometheus, by Prometheus' own tool."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from detent.monitor.episodes import KINDS

FOLDER = Path(str(resources.files("detent.monitor"))) / "prometheus"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on this machine")


def promtool(folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["promtool", "test", "rules", "rules_test.yml"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60)


@needs_promtool
def test_the_rules_alarm_when_their_tests_say_so() -> None:
    done = promtool(FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('detent_alert_state{kind="quality"}) >= 3', 'detent_alert_state{kind="quality"}) >= 4'),
        ("> 3 * max by (model)", "> 300 * max by (model)"),
        ("for: 2m", "for: 2h"),
        ("absent(detent_build_info)", "absent(detent_builds_info) * 0"),
        ('kind="drift"}) >= 2', 'kind="drift"}) >= 1'),
    ],
)
def test_a_broken_rule_fails_its_test(tmp_path: Path, before: str, after: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "prometheus")
    path = tmp_path / "prometheus" / "rules.yml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    assert promtool(tmp_path / "prometheus").returncode != 0


def test_rules_speak_of_kinds_and_gauges_that_there_are() -> None:
    text = (FOLDER / "rules.yml").read_text(encoding="utf-8")
    kinds = {kind for found in re.findall(r'detent_alert_state\{kind=~?"([^"]+)"', text) for kind in found.split("|")}
    assert kinds <= set(KINDS)
    alerts = re.findall(r"- alert: (\w+)", text)
    tested = (FOLDER / "rules_test.yml").read_text(encoding="utf-8")
    assert all(f"alertname: {alert}" in tested for alert in alerts)
