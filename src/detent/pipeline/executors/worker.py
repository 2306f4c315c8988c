"""What happens inside a worker process: it executes tasks one after the other, under observation."""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from detent.pipeline.attempt import Attempts
from detent.pipeline.execute import execute
from detent.pipeline.executors.protocol import Rehearsal, Task
from detent.pipeline.rehearse import rehearse
from detent.pipeline.session import Sessions
from detent.pipeline.trace.tracer import Tracer
from detent.project.environment import all_variables, become

STALE = "stale"  # what a worker answers that must not be used any more


def serve(connection: Connection, variables: dict[str, str]) -> None:
    """Answer tasks until the other end of the connection is closed; `variables` is the environment to start with.

    Each job comes with the environment to run it in. A task whose environment is another one than this process has
    imported its modules in is answered with `STALE`.
    """
    become(variables)
    # A group of its own: a timeout ends whatever the step started, and Ctrl-C at the terminal is left to the run.
    os.setsid()
    tracer = Tracer()  # before any thread: it forks
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # what a step printed before it was killed is what users need
    jobs: queue.SimpleQueue[tuple[Task | Rehearsal, dict[str, str]]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs), daemon=True).start()
    # A power cut in the middle of a run may lose what its steps made; a hit then finds it missing, and makes it again.
    # A kill loses nothing. The run syncs everything before it says that it has ended.
    sessions, attempts = Sessions(durable=False), Attempts(tracer)
    expected: dict[str, str] | None = variables
    while True:
        job, wanted = jobs.get()
        if isinstance(job, Rehearsal):
            become({**wanted, **job.variables})
            expected = _rehearsed(job, attempts)
            continue
        # Modules can't be imported a second time with what they read then, so a fresh process has to do it.
        if wanted != expected or attempts.is_stale(Path(job.address.folder), Path(job.address.state)):
            connection.send(STALE)
            continue
        if all_variables() != wanted:  # a step changed them: the next one must not see that
            become(wanted)
        connection.send(execute(job, sessions, attempts))


def _rehearsed(job: Rehearsal, attempts: Attempts) -> dict[str, str] | None:
    """Import, and return the environment after that, for libraries set variables; None when it failed."""
    try:
        rehearse(job.address, attempts)
    except (Exception, SystemExit):  # noqa: BLE001  (if it matters, whoever plans finds it and says so)
        return None
    return all_variables()


def _listen(connection: Connection, jobs: queue.SimpleQueue[tuple[Task | Rehearsal, dict[str, str]]]) -> None:
    """Hand jobs on. When the run is gone, so is this process, even in the middle of a step."""
    while True:
        try:
            jobs.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
