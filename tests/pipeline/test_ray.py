"""The same pipeline on a real Ray cluster of two nodes: the same digests, decisions and errors as here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_project import Project, outcomes

from detent.pipeline.executors.protocol import Executor

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.timeout(400)

STEPS = """
import os
import time
from pathlib import Path

import polars as pl

from detent.pipeline import pipeline, step


@step
def parts(n: int) -> list[int]:
    return list(range(n))


@step(cpu=1)
def work(part: int) -> pl.DataFrame:
    return pl.DataFrame({"part": [part], "square": [part * part]})


@step(changes="always")
def place(part: int) -> str:
    Path("/dev/shm", f"{FLAG}-{part}").touch()
    while len(list(Path("/dev/shm").glob(f"{FLAG}-*"))) < 2:  # both at once, so on both nodes
        pass
    return os.environ["DETENT_NODE"]


@step
def total(frames: list[pl.DataFrame]) -> int:
    return int(pl.concat(frames)["square"].sum())


@step(timeout="3s")
def endless() -> int:
    time.sleep(600)
    return 1


@step
def dies(flag: str) -> int:
    if not Path("/dev/shm", flag).exists():
        Path("/dev/shm", flag).touch()
        os.kill(os.getpid(), 9)
    return 7


@step
def fails() -> int:
    raise ValueError("no such luck")


@pipeline
def flow():
    return {"total": total(work.map(part=parts(4))())}


@pipeline
def places():
    return {"places": place.map(part=[0, 1])()}


@pipeline
def trouble():
    return {"dies": dies(FLAG), "fails": fails(), "endless": endless()}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    from ray.cluster_utils import Cluster

    from detent.pipeline.executors.ray import RayExecutor

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000})
    nodes.add_node(num_cpus=1, object_store_memory=80_000_000)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    executor = RayExecutor()
    try:
        yield executor
    finally:
        executor.close()
        ray.shutdown()
        nodes.shutdown()


@pytest.fixture
def on_ray(project: Project, cluster: Executor, tmp_path: Path) -> Iterator[Project]:
    flag = f"detent-ray-{os.getpid()}-{tmp_path.name}"
    project.write(steps_under_test=STEPS.replace("FLAG", repr(flag)))
    project.executor = cluster  # type: ignore[assignment]
    yield project
    for path in Path("/dev/shm").glob(f"{flag}*"):
        path.unlink()


def test_a_run_on_ray_gives_the_bytes_and_keys_of_a_run_here(on_ray: Project, executor: Executor) -> None:
    there = on_ray.run({})
    assert there.value("total") == 14
    assert set(outcomes(there).values()) == {"ran"}
    on_ray.executor = executor  # type: ignore[assignment]
    here = on_ray.run({})
    assert set(outcomes(here).values()) == {"hit"}
    assert here.outputs == there.outputs


def test_steps_run_on_both_nodes(on_ray: Project) -> None:
    assert len(set(on_ray.run({}, name="places").value("places"))) == 2


def test_a_killed_step_is_done_again_and_others_fail_with_their_reasons(on_ray: Project) -> None:
    result = on_ray.run({}, name="trouble")
    assert outcomes(result) == {"dies": "ran", "fails": "failed", "endless": "failed"}
    errors = {str(error) for error in result.errors}
    assert any("ValueError: no such luck" in error for error in errors)
    assert any("killed after its timeout of 3 s" in error for error in errors)
