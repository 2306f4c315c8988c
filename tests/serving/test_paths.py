"""Which path leads where, on the short way and on the usual one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from detent.records.route import Arm, Route
from detent.serving.formats.v2 import V2
from detent.serving.http.paths import ROUTES, aim, hot_targets, match
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import Problem
from detent.serving.workers.supervisor import Supervisor

from .builders import POISON, ROW, World, body


def endpoint(name: str, versions: tuple[int, ...]) -> Endpoint:
    arms = tuple(Arm(version=number, weight=10_000 // len(versions)) for number in versions)
    route = Route(endpoint=name, model="m", arms=arms, fallback=None, salt="", seq=1, shadows=(), loaded=versions)
    loaded: dict[int, Any] = dict.fromkeys(versions)
    return Endpoint(
        route=route, versions=loaded, lanes={}, refused={}, reader=None, readers=0, entity=None, probability=True
    )


@pytest.mark.parametrize("endpoints", [{"a": (1, 2)}, {"a": (1, 2), "b": ()}, {}])
def test_a_path_leads_to_the_same_target_on_both_ways(endpoints: dict[str, tuple[int, ...]]) -> None:
    there = {name: endpoint(name, versions) for name, versions in endpoints.items()}
    targets = hot_targets(there)
    for path, target in targets.items():
        assert target.endpoint is (there[target.name] if endpoints[target.name] else None)
        rule, names = match("POST", path.decode())
        assert rule.hot
        other = aim(rule, names, endpoints)
        assert (other.name, type(other.format)) == (target.name, type(target.format))
        assert not isinstance(target.format, V2) or vars(target.format) == vars(other.format)  # type: ignore[arg-type]
    assert (b"/invocations" in targets) == (len(endpoints) == 1)
    per_endpoint = sum(rule.hot and "{endpoint}" in rule.path and "{version}" not in rule.path for rule in ROUTES)
    pins = sum(map(len, endpoints.values()))
    assert len(targets) == per_endpoint * len(endpoints) + pins + (len(endpoints) == 1)


@pytest.mark.parametrize("version", ["", "x", "-1", "01", "1.0", "9" * 10, "١"])
def test_a_version_that_is_no_number_is_unknown(version: str) -> None:
    rule = next(rule for rule in ROUTES if rule.hot and "{version}" in rule.path)
    with pytest.raises(Problem, match="no such version"):
        aim(rule, {"endpoint": "a", "version": version}, ("a",))


def frames(*rows: object) -> bytes:
    return json.dumps({"dataframe_records": rows}).encode()


def tensor(*values: object) -> bytes:
    data = {"temp": "FP64", "hour": "INT64", "origin": "BYTES", "wet": "BOOL"}
    inputs = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
        for (name, datatype), value in zip(data.items(), values, strict=False)
    ]
    return json.dumps({"inputs": inputs}).encode()


ASKED = [
    ("/v2/models/flights/infer", tensor(*ROW.values())),
    ("/v2/models/flights/infer", tensor(*POISON.values())),
    ("/v2/models/flights/infer", tensor(1.0)),
    ("/v2/models/flights/infer", b"\xff"),
    ("/v2/models/flights/versions/1/infer", tensor(*ROW.values())),
    ("/v2/models/flights/versions/2/infer", tensor(*ROW.values())),
    ("/v2/models/boats/infer", tensor(*ROW.values())),
    ("/invocations", frames(ROW, ROW)),
    ("/invocations", frames(ROW, POISON)),
    ("/invocations", frames({**ROW, "x": 1})),
    ("/endpoints/flights/invocations", frames(ROW)),
    ("/v1/models/flights:predict", body(ROW)),
]


def test_the_short_way_and_the_usual_way_answer_alike(world: World, serve: Callable[..., Supervisor]) -> None:
    world.route((1, 10_000))
    address = serve(world, workers=1).address
    with httpx.Client(base_url=address) as client:
        for path, content in ASKED:
            short = client.post(path, content=content, headers={"content-type": "application/json"})
            # A body in chunks goes the usual way.
            usual = client.post(path, content=iter([content]), headers={"content-type": "application/json"})
            assert short.status_code == usual.status_code, path
            assert forgetful(short) == forgetful(usual)
            assert short.headers.keys() == usual.headers.keys()


def forgetful(answer: httpx.Response) -> object:
    """The answer without what is new in each: the prediction ids."""
    said = answer.json()
    if "parameters" in said:
        said["parameters"].pop("prediction_ids")
    for line in said["predictions"] if "model" in said else ():
        line.pop("id")
    return said
