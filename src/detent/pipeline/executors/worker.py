"""What happens inside a worker process: read a job's arguments, call the step, store what it returns."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from detent.errors import DataError, DetentError
from detent.pipeline.artifacts import Artifact
from detent.pipeline.authoring import Step
from detent.pipeline.codecs.classes import find_class
from detent.pipeline.codecs.table import dump, load
from detent.pipeline.executors.protocol import Done, Job, Outcome, Raised, Stored, StoredRecord
from detent.project.code import load_callable
from detent.project.sources import import_sources_of

_LONGEST_MESSAGE = 4_000
_TRANSIENT = (ConnectionError, TimeoutError, InterruptedError, BlockingIOError)


def serve(connection: Connection) -> None:
    """Answer jobs until the other end of the connection is closed."""
    # A group of its own: a timeout ends whatever the step started, and Ctrl-C at the terminal is left to the run.
    os.setsid()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # what a step printed before it was killed is what users need
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs), daemon=True).start()
    while True:
        connection.send(attempt(jobs.get()))


def _listen(connection: Connection, jobs: queue.SimpleQueue[Job]) -> None:
    """Hand jobs on. When the run is gone, so is this process, even in the middle of a step."""
    while True:
        try:
            jobs.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)


def attempt(job: Job) -> Outcome:
    """Do one job; everything that its code prints, and its traceback, goes to its log."""
    with _captured(Path(job.log)):
        try:
            return _call(job)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a process edge: whatever user code raises is reported)
            traceback.print_exc()
            return _raised(error, job)


def _call(job: Job) -> Done:
    # A step that reads a file by a relative path finds it from the project folder, wherever `detent` was started.
    os.chdir(job.folder)
    import_sources_of(Path(job.folder).resolve())
    module = import_module(job.module)
    found = (
        load_callable(f"{job.file}:{job.attribute}", Path(job.folder)) if job.file else getattr(module, job.attribute)
    )
    function = found.function if isinstance(found, Step) else found
    arguments = {name: _value(argument, job) for name, argument in job.arguments.items()}
    returned = function(**arguments)
    if not job.record:
        return Done(outputs=((job.outputs[0], dump(returned, job.blobs)),))
    missing = [name for name in job.outputs if not hasattr(returned, name)]
    if missing:
        raise DataError(
            what=f"step `{job.step}` returned no `{missing[0]}`",
            why=f"its annotation promises {', '.join(job.outputs)}, and it returned a {type(returned).__name__}",
            fix="return the NamedTuple or dataclass that the annotation names",
        )
    return Done(outputs=tuple((name, dump(getattr(returned, name), job.blobs)) for name in job.outputs))


def _value(argument: object, job: Job) -> Any:
    if isinstance(argument, Stored):
        return load(argument.artifact, job.blobs)
    if isinstance(argument, StoredRecord):
        return _record(argument.type, dict(argument.fields), job)
    if isinstance(argument, dict):
        return {key: _value(item, job) for key, item in argument.items()}
    if isinstance(argument, list):
        return [_value(item, job) for item in argument]
    if isinstance(argument, tuple):
        return tuple(_value(item, job) for item in argument)
    return argument


def _record(name: str, fields: dict[str, Artifact], job: Job) -> Any:
    return find_class(name)(**{field: load(artifact, job.blobs) for field, artifact in fields.items()})


def _raised(error: BaseException, job: Job) -> Raised:
    file, line = "", None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(job.folder):
            file, line = frame.filename, frame.lineno
    stop = isinstance(error, SystemExit)
    return Raised(
        kind=type(error).__name__,
        message="the step ended its process; return instead" if stop else str(error)[:_LONGEST_MESSAGE],
        transient=isinstance(error, _TRANSIENT),
        file=file,
        line=line,
        # Only errors of this package: the other side may not know a class of the user's.
        error=error if isinstance(error, DetentError) and type(error).__module__ == DetentError.__module__ else None,
    )


@contextlib.contextmanager
def _captured(log: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to the log: libraries that print from C or Rust are caught as well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    kept = [(number, os.dup(number)) for number in (1, 2)]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        for number, _ in kept:
            os.dup2(descriptor, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(descriptor)
