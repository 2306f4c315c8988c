"""Other projects' own clients against real worker processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detent.serving.workers.supervisor import Supervisor

from .builders import ENDPOINT, World, score_of
from .environments import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
SCORES = [pytest.approx(score_of(1))] * 2


@pytest.fixture(params=[True, False], ids=["fast path", "asgi"])
def address(request: pytest.FixtureRequest, world: World, serve: Callable[..., Supervisor]) -> str:
    world.route((1, 10_000))
    return serve(world, workers=1, fast_path=request.param).address


def say(script: str, address: str, *requirements: str) -> dict[str, Any]:
    program = [str(environment(*requirements) / "python"), str(HERE / script), address, ENDPOINT]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_triton_s_client_is_answered_in_json_and_binary(address: str) -> None:
    said = say("triton_caller.py", address.removeprefix("http://"), "tritonclient[http]==2.73.0")
    assert [said[key] for key in ("live", "ready", "model", "version 1", "version 9")] == [True] * 4 + [False]
    assert said["server"]["extensions"] == ["binary_tensor_data"]
    assert [one["name"] for one in said["metadata"]["inputs"]] == ["temp", "hour", "origin", "wet"]
    answers = {name: value for name, value in said.items() if name.startswith(("binary", "json"))}
    assert len(answers) == 8
    for scores, answer in answers.values():
        assert scores == SCORES
        assert (answer["id"], answer["model_version"]) == ("seven", "1")
        assert len(answer["parameters"]["prediction_ids"]) == 2
    status, message = said["error"]
    assert status == "422"
    assert "no tensor `hour`" in message


def test_kserve_s_client_is_answered_in_json_and_binary(address: str) -> None:
    said = say("kserve_caller.py", address, "kserve==0.21.0")
    assert [said[key] for key in ("live", "ready", "model", "other")] == [True, True, True, False]
    for way in ("binary", "json"):
        scores, id_, parameters = said[way]
        assert (scores, id_) == (SCORES, "seven")
        assert parameters["versions"] == [1, 1]
    status, message = said["error"]
    assert status == 422
    assert "no tensor `hour`" in message
