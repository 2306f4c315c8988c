"""What the README says is run as it stands there."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from detent.cli.main import COMMANDS
from detent.project import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def detent(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "detent.cli.main", *words], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme") / "flights"
    shutil.copytree(ROOT / "examples" / "flights", folder, ignore=shutil.ignore_patterns(".detent", "report"))
    return folder


def test_the_project_file_shown_is_a_project(flights: Path, tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "detent.yaml").write_text(shown)
    project, example = load(tmp_path), load(flights)
    assert project.target == example.target
    assert {check.text for check in project.gate} <= {check.text for check in example.gate}


def test_every_command_is_shown(flights: Path) -> None:
    shown = README[README.index("## A project") :]
    missing = [name for name in COMMANDS if not re.search(rf"\b{name}\b", shown)]
    assert missing == []


def test_the_served_example_answers_the_requests_shown(flights: Path) -> None:
    ran = detent("run", cwd=flights)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert detent("deploy", cwd=flights).returncode == 0
    server = subprocess.Popen(
        [sys.executable, "-m", "detent.cli.main", "up", "--port", "0"], cwd=flights, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[3]
        ask, tell = (json.loads(body) for body in re.findall(r"-d '(\{.*?\})'", README, flags=re.DOTALL))
        answer = httpx.post(f"{address}/v1/models/flights:predict", json=ask)
        assert answer.status_code == 200, answer.text
        (line,) = answer.json()["predictions"]
        assert 0 < line["score"] < 1
        tell["labels"][0]["prediction_id"] = line["id"]
        for _ in range(2):
            assert httpx.post(f"{address}/feedback", json=tell).status_code < 300
        assert httpx.get(f"{address}/readyz").status_code == 200
        assert httpx.get(f"{address}/metrics").status_code == 404
        metrics = next(line.split()[-1] for line in server.stdout if "metrics" in line)
        assert "detent_" in httpx.get(metrics).text
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
