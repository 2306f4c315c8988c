"""The confined process: `python -I -m detent.bundle.sandbox.child PIPE LIFELINE`. It dies with who started it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

import msgspec

from detent.bundle.sandbox.frames import Answer, Question, Start, receive, send
from detent.bundle.sandbox.kernel import confine

_MAX_ERROR = 300


def main(pipe: int, lifeline: int) -> None:
    """Answer calls until the pipe is closed."""
    _die_when_closed(lifeline)
    with socket.socket(fileno=pipe) as line:
        start = msgspec.msgpack.decode(receive(line), type=Start)
        try:
            limits = confine(read=[Path(start.folder)], memory=start.memory)
            # Imported only now: libraries start threads, and a model's own code runs when it is read.
            model = import_module("detent.bundle.sandbox.model").open_model(start)
        except BaseException as error:  # noqa: BLE001  (the process edge: whatever a model raises is told)
            send(line, Answer(error=_told(error)))
            return
        send(line, Answer(limits=limits))
        while payload := receive(line):
            question = msgspec.msgpack.decode(payload, type=Question)
            try:
                answer = Answer(scores=model(question))
            except MemoryError as error:  # what fills it may never be given back: only a new process is sure to answer
                send(line, Answer(error=_told(error), full=True))
                return
            except BaseException as error:  # noqa: BLE001  (as above)
                answer = Answer(error=_told(error))
            send(line, answer)


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:_MAX_ERROR]
    except BaseException:  # noqa: BLE001  (a model's error may raise when it is printed)
        return type(error).__name__


def _die_when_closed(lifeline: int) -> None:
    """Let the kernel end this process when the other end of the pipe closes, even inside a call that never returns."""
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    watch = select.poll()
    watch.register(lifeline, 0)  # hang-ups are told unasked
    if watch.poll(0):
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
