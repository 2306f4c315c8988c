"""Cores, memory and GPUs that running steps hold."""

from __future__ import annotations

from collections.abc import Iterable

from detent.errors import ProjectError
from detent.pipeline.executors.protocol import Capacity, Task
from detent.pipeline.nodes import Node


class Tokens:
    """What is left of an executor's resources. A step that wants more cores than there are gets all of them."""

    def __init__(self, total: Capacity) -> None:
        self.slots = total.slots
        self._total = total
        self._cpu, self._memory, self._gpu = total.cpu, total.memory, total.gpu

    def take(self, task: Task) -> bool:
        """Take what a task needs; False, and nothing is taken, when it does not fit now."""
        cpu, memory = min(task.cpu, self._total.cpu), task.memory or 0
        if not self.slots or cpu > self._cpu + 1e-9 or memory > self._memory or task.gpu > self._gpu:
            return False
        self.slots -= 1
        self._cpu, self._memory, self._gpu = self._cpu - cpu, self._memory - memory, self._gpu - task.gpu
        return True

    def give_back(self, task: Task) -> None:
        """Return what a task held."""
        self.slots += 1
        self._cpu += min(task.cpu, self._total.cpu)
        self._memory += task.memory or 0
        self._gpu += task.gpu


def refuse_impossible(nodes: Iterable[Node], total: Capacity) -> None:
    """Raise ProjectError, before anything runs, for a step that wants more memory or GPUs than there are."""
    for node in nodes:
        needs = node.options
        both = (("GPUs", needs.gpu, total.gpu), ("bytes of memory", needs.memory or 0, total.memory))
        for what, wanted, there in both:
            if wanted > there:
                raise ProjectError(
                    what=f"step `{node.name}` needs {wanted:,} {what}",
                    why=f"there are {there:,} here",
                    fix="ask for less in @step(...), or run it with an executor that has more",
                )
