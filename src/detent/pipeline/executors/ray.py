"""Steps on a Ray cluster. Ray only finds a place for each; what happens there is the execution contract.

State is in the store, never in Ray: when the driver or a node is lost, the next run goes on from what was committed.
Code goes to the nodes through the blob store. Every node has to reach the database and the blob store.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, cast

import ray
from ray.exceptions import RayError

from detent.pipeline.executors.memory import used_memory
from detent.pipeline.executors.messages import outcome_from_json
from detent.pipeline.executors.protocol import Capacity, Died, Ended, Outcome, Task, TimedOut, TooLarge
from detent.project.environment import all_variables

_LOOKS = 0.25  # seconds between looks at a step's time and memory


class RayExecutor:
    """Runs tasks on the cluster at `address`, or on one that is started on this machine and ends with `close`."""

    def __init__(self, address: str | None = None) -> None:
        self._ours = not ray.is_initialized()
        if self._ours:
            ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
        self._running: dict[Any, tuple[Task, float]] = {}  # reference -> (task, when it was handed over)

    def total(self) -> Capacity:
        """Return what the whole cluster has."""
        has = ray.cluster_resources()
        cpu = has.get("CPU", 1.0)
        return Capacity(
            slots=max(1, int(cpu * 2)), cpu=cpu, memory=int(has.get("memory", 0)), gpu=int(has.get("GPU", 0))
        )

    def start(self, task: Task) -> None:
        """Hand a task to the cluster. Ray repeats nothing by itself: the run decides about retries."""
        place = _run_contract.options(
            num_cpus=task.cpu,
            num_gpus=task.gpu,
            memory=task.memory or None,
            max_retries=0,
            name=f"{task.run}/{task.step}",
        )
        self._running[place.remote(task)] = (task, time.monotonic())

    def wait(self, timeout: float | None) -> list[Ended]:
        """Wait for tasks to end."""
        if not self._running:
            time.sleep(timeout or 0.0)
            return []
        ready, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout)
        return [self._ended(reference) for reference in ready]

    def cancel(self) -> None:
        """End what runs; the step's process ends with the Ray worker that started it."""
        for reference in list(self._running):
            ray.cancel(reference, force=True)
            del self._running[reference]

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self.cancel()
        if self._ours and ray.is_initialized():
            ray.shutdown()
            self._ours = False

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ended(self, reference: Any) -> Ended:
        task, since = self._running.pop(reference)
        try:
            outcome, seconds = cast("tuple[Outcome, float]", ray.get(reference))
        except RayError as error:  # the node or its worker was lost
            lines = str(error).splitlines() or [type(error).__name__]
            outcome, seconds = Died(how=lines[0]), time.monotonic() - since
        return Ended(task=task, outcome=outcome, seconds=seconds)


def contract_command(task: Task) -> list[str]:
    """Return the command line that executes a task on any machine that reaches the store."""
    return [
        sys.executable, "-m", "detent.exec", "--graph", task.graph, "--run", task.run, "--step", task.step,
        *(["--shard", f"{task.shard}/{2**31}"] if task.shard >= 0 else []),
        "--attempt", str(task.attempt), "--store", task.address.state, "--blobs", task.address.blobs,
        "--database", task.address.database, "--attached",
        *(["--hermetic"] if task.hermetic else []), *(["--force"] if task.force else []),
    ]  # fmt: skip


@ray.remote
def _run_contract(task: Task) -> tuple[Outcome, float]:
    """Execute a task in a process of its own on this node, so that a step can't harm Ray's worker."""
    began = time.monotonic()
    # Which node did it: for logs, and for steps that want to say so.
    variables = {**all_variables(), "PYTHONHASHSEED": "0", "DETENT_NODE": ray.get_runtime_context().get_node_id()}
    attached, ours = os.pipe()  # while our end is open, the process knows that somebody wants its answer
    process = subprocess.Popen(
        contract_command(task), stdin=attached, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, env=variables,
    )  # fmt: skip
    os.close(attached)
    try:
        outcome = _outcome(process, task, began)
    finally:
        os.close(ours)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return outcome, time.monotonic() - began


def _outcome(process: subprocess.Popen[bytes], task: Task, began: float) -> Outcome:
    while True:
        try:
            printed, complained = process.communicate(timeout=_LOOKS)
            break
        except subprocess.TimeoutExpired:
            if task.timeout is not None and time.monotonic() - began > task.timeout:
                return TimedOut(seconds=task.timeout)
            used = used_memory(process.pid) if task.memory else 0
            if task.memory and used > task.memory:
                return TooLarge(used=used, limit=task.memory)
    lines = printed.decode(errors="replace").splitlines()
    if not lines:
        last = complained.decode(errors="replace").strip().splitlines()[-1:] or [""]
        return Died(how=f"exit status {process.returncode} {last[0]}".strip())
    return outcome_from_json(json.loads(lines[-1]))
