from __future__ import annotations

import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from detent.errors import DataError, RefusedError
from detent.loop.simulated.conclude import Conclusion
from detent.loop.simulated.simulate import simulation
from detent.loop.simulated.world import check_no_future, features_between, open_world
from detent.testing import replay

from .conftest import rewrite

SABOTAGE = "{leak: 2025-01-30, constant: 2025-02-03, inverted: 2025-02-06, raising: 2025-02-12}"


def shorten(project: Path) -> None:
    text = (project / "detent.yaml").read_text()
    text = re.sub(r"simulate: .*", f"simulate: {{start: 2025-01-28, until: 2025-02-26, sabotage: {SABOTAGE}}}", text)
    text = text.replace("cooldown: 7d", "cooldown: 5d").replace("min_requests: 20", "min_requests: 10")
    (project / "detent.yaml").write_text(text)


@pytest.fixture(scope="module")
def twice(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Conclusion, Conclusion]:
    project = tmp_path_factory.mktemp("twice") / "shop"
    shutil.copytree(_template, project)
    shorten(project)
    return (
        replay(project, into=tmp_path_factory.mktemp("one")),
        replay(project, into=tmp_path_factory.mktemp("two")),
    )


def test_the_circle_closes_and_nothing_is_missing(twice: tuple[Conclusion, Conclusion]) -> None:
    conclusion, _ = twice
    assert conclusion.complaints == ()
    assert conclusion.failed == 0
    counts = dict(conclusion.story.counts)
    assert counts["rollout.promoted"] >= 2
    assert counts["sabotage.shipped"] == 4
    assert conclusion.page.read_text().startswith("<!doctype html>")
    assert conclusion.picture.read_bytes().startswith(b"\x89PNG")


def test_every_sabotage_is_stopped_where_it_should_be(twice: tuple[Conclusion, Conclusion]) -> None:
    stopped = {kind: where for kind, where, _ in twice[0].story.sabotage}
    assert {kind: stopped[kind] for kind in ("leak", "constant", "inverted")} == dict.fromkeys(
        ("leak", "constant", "inverted"), "refused by the gate"
    )
    assert stopped["raising"].startswith("rolled back at ")


def test_two_runs_with_one_seed_tell_the_same_story(twice: tuple[Conclusion, Conclusion]) -> None:
    one, other = twice
    assert one.audit.intact
    assert other.audit.intact
    assert one.audit.content == other.audit.content
    assert one.audit.head != other.audit.head  # durations differ, and are in the chain too


def test_a_state_is_never_overwritten_unasked(served) -> None:
    with pytest.raises(RefusedError, match="holds a project's state"), simulation(served.folder, fresh=False):
        pass


def test_a_feature_that_looks_into_the_future_is_named(served) -> None:
    text = (served.folder / "features.py").read_text()
    leaky = text.replace('        "items",\n', '        "items",\n        later=pl.col("price").shift(-1),\n')
    leaky = leaky.replace("orders.select(", 'orders.sort("placed_at").select(')
    (served.folder / "features_later.py").write_text(leaky)
    yaml = (served.folder / "detent.yaml").read_text().replace("features.py:features", "features_later.py:features")
    (served.folder / "detent.yaml").write_text(yaml)
    from detent.loop.workspace import open_workspace

    ws = open_workspace(served.folder, actor="test")
    world = open_world(ws)
    rows = features_between(ws, world, world.start, world.until)
    with pytest.raises(DataError, match="future: later"):
        check_no_future(ws, world, rows)


def test_a_history_that_is_too_short_to_replay_is_a_clear_error(project: Path) -> None:
    rewrite(project, lambda rows: rows.filter(pl.col("placed_at") < rows["placed_at"].min() + pl.duration(hours=20)))
    with pytest.raises(DataError, match="nothing to replay"), simulation(project, fresh=False):
        pass
