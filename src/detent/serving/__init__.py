"""Alias -> answers: worker processes behind one port, and the page of routes that they all read.

In: admitted bundles, routes, requests over HTTP. Out: answers, a prediction log, counters, labels handed to a callable.
This package knows nothing about the registry, about rollouts, or about who keeps labels and reads the log.
Entry: `detent.serving.worker.main`; it is not re-exported here, so that a supervisor imports no model runtime.
"""

from detent.serving.assign import choose
from detent.serving.counters import read_counts
from detent.serving.locate import Located, read_index, write_index
from detent.serving.routes import RoutePage
from detent.serving.settings import SupervisorSettings, WorkerSettings
from detent.serving.supervisor import Supervisor

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
