"""How the process that looks on is started: by a fork of the worker, or of a small process that was set aside early.

A fork of a process that has loaded much costs tens of milliseconds, before and after. A server that forks workers calls
`open_nursery` before it loads anything; the workers inherit the line to it.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable
from typing import NoReturn

from detent.pipeline.trace import seccomp, supervisor

_REQUEST = struct.Struct("=Q")  # process id of the worker; a descriptor comes with it
_line: socket.socket | None = None


def open_nursery() -> None:
    """Set aside a copy of this process as it is now. It ends with this process and its children. Twice is once."""
    global _line
    if _line is None and not seccomp.unsupported():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _fork_twice(lambda: _serve(theirs))
        theirs.close()
        _line = ours


def start_supervisor() -> socket.socket:
    """Start the process that looks on for this process; return the line to it.

    Raises:
        OSError: no process can be started.
    """
    worker = os.getpid()
    ours, theirs = socket.socketpair()
    try:
        if not _asked(theirs, worker):
            _fork_twice(lambda: supervisor.run(theirs, worker))
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours


def _asked(line: socket.socket, worker: int) -> bool:
    """Let the nursery do it; False when there is none (any more)."""
    if _line is None:
        return False
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [line.fileno()]))
    try:
        _line.sendmsg([_REQUEST.pack(worker)], [rights])
    except OSError:
        return False
    return True


def _serve(line: socket.socket) -> NoReturn:
    """Fork for each request, until nobody is left who could ask."""
    keep = supervisor.leave(line)
    requests = socket.socket(fileno=keep)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects what ends
    while True:
        message, ancillary, _, _ = requests.recvmsg(_REQUEST.size, socket.CMSG_SPACE(array.array("i", [0]).itemsize))
        if not message:
            os._exit(0)
        control = socket.socket(fileno=array.array("i", ancillary[0][2])[0])
        with contextlib.suppress(OSError):  # too many processes: the worker sees its line closed
            if not os.fork():
                supervisor.run(control, _REQUEST.unpack(message)[0])
        control.close()


def _fork_twice(run: Callable[[], NoReturn]) -> None:
    """Run a function in a process that is nobody's child, so that no step that waits for its children meets it."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    with contextlib.suppress(BaseException):
        if not os.fork():
            run()
    os._exit(0)
