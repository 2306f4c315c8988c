"""Alias -> answers: worker processes behind one port, and the page of routes that they all read.

In: admitted bundles, routes, requests over HTTP. Out: answers, a prediction log, counters, labels handed to a callable.
Ways: `workers` -> `http` -> `formats` -> `predict` -> `models`; `pages`, `logs` and `counts` are the files beside them.
This package knows nothing about the registry, about rollouts, or about who keeps labels and reads the log.
Entry: `detent.serving.workers.worker.main`; it is not re-exported here, so that a supervisor imports no model runtime.
"""

from detent.serving.assign import choose
from detent.serving.counts.counters import read_counts
from detent.serving.models.locate import Located, read_index, write_index
from detent.serving.pages.routes import RoutePage
from detent.serving.workers.settings import SupervisorSettings, WorkerSettings
from detent.serving.workers.supervisor import Supervisor

__all__ = [
    "Located",
    "RoutePage",
    "Supervisor",
    "SupervisorSettings",
    "WorkerSettings",
    "choose",
    "read_counts",
    "read_index",
    "write_index",
]
