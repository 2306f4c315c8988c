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
from detent.pipeline.executors.protocol import Task
from detent.pipeline.session import Sessions
from detent.pipeline.trace.tracer import Tracer
from detent.project.environment import all_variables, become

STALE = "stale"  # what a worker answers that must not be used any more


def serve(connection: Connection, variables: dict[str, str]) -> None:
    """Answer tasks until the other end of the connection is closed; `variables` is the environment to run in."""
    become(variables)
    # A group of its own: a timeout ends whatever the step started, and Ctrl-C at the terminal is left to the run.
    os.setsid()
    tracer = Tracer()  # before any thread: it forks
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # what a step printed before it was killed is what users need
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    # A power cut in the middle of a run may lose what its steps made; a hit then finds it missing, and makes it again.
    # A kill loses nothing. The run syncs everything before it says that it has ended.
    sessions, attempts = Sessions(durable=False), Attempts(tracer)
    while True:
        task = tasks.get()
        if all_variables() != variables:  # a step changed them: the next one must not see that
            become(variables)
        # Modules can't be imported a second time with what they read then, so a fresh process has to do it.
        stale = attempts.is_stale(Path(task.address.folder), Path(task.address.state))
        connection.send(STALE if stale else execute(task, sessions, attempts))


def _listen(connection: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    """Hand tasks on. When the run is gone, so is this process, even in the middle of a step."""
    while True:
        try:
            tasks.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
