"""Kill a program before any chosen one of its calls that change files, to see whether it comes back.

The kernel counts them (a seccomp filter, for the program, its libraries and all that it starts), so none is missed:
also those that SQLite or a library below Python makes. Between two of them files don't change, so "before the k-th
call", for every k, is every state in which a kill can leave them.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from detent.pipeline.trace import kernel, seccomp
from detent.pipeline.trace.calls import AT_FDCWD, Act, Call
from detent.pipeline.trace.memory import Memory, folder_of, tidy
from detent.pipeline.trace.seccomp import Listener, Notification

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: what loses its parent becomes ours, so that nothing escapes
_FICLONE = 0x40049409  # linux/fs.h
_GRACE = 5.0  # seconds that what a program started may go on after its end
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_BY_DESCRIPTOR = -1  # as `path`: the call names an open file
# Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. A call that needs a file which
# was opened for writing is counted by that file's name; opening one for writing counts too.
_CALLS = (
    Call("open", 2, -1, Act.OPEN, -1, 0, 1, only=_WRITES),
    Call("openat", 257, 56, Act.OPEN, 0, 1, 2, only=_WRITES),
    Call("creat", 85, -1, Act.OPEN),
    Call("write", 1, 64, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("pwrite64", 18, 68, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("writev", 20, 66, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("pwritev", 296, 70, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("pwritev2", 328, 287, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("sendfile", 40, 71, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("copy_file_range", 326, 285, Act.WRITE, 2, _BY_DESCRIPTOR),
    Call("ioctl", 16, 29, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("fallocate", 285, 47, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("ftruncate", 77, 46, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("fsync", 74, 82, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("fdatasync", 75, 83, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("syncfs", 306, 267, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("fchmod", 91, 52, Act.WRITE, 0, _BY_DESCRIPTOR),
    Call("truncate", 76, 45, Act.WRITE),
    Call("chmod", 90, -1, Act.WRITE),
    Call("fchmodat", 268, 53, Act.WRITE, 0, 1),
    Call("fchmodat2", 452, 452, Act.WRITE, 0, 1),
    Call("utimensat", 280, 88, Act.WRITE, 0, 1),
    Call("mkdir", 83, -1, Act.MAKE),
    Call("mkdirat", 258, 34, Act.MAKE, 0, 1),
    Call("rmdir", 84, -1, Act.REMOVE),
    Call("unlink", 87, -1, Act.REMOVE),
    Call("unlinkat", 263, 35, Act.REMOVE, 0, 1),
    Call("rename", 82, -1, Act.MOVE, to_path=1),
    Call("renameat", 264, 38, Act.MOVE, 0, 1, to_at=2, to_path=3),
    Call("renameat2", 316, 276, Act.MOVE, 0, 1, to_at=2, to_path=3),
    Call("link", 86, -1, Act.LINK, to_path=1),
    Call("linkat", 265, 37, Act.LINK, 0, 1, to_at=2, to_path=3),
    Call("symlinkat", 266, 36, Act.SYMLINK, 1, 2),
    Call("symlink", 88, -1, Act.SYMLINK, path=1),
)
_BY_NUMBER = {call.number(kernel.ARCHITECTURE): call for call in _CALLS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A call that changes a file, or puts one on the disk."""

    call: str  # "rename", "pwrite64" ...
    path: str  # relative to the folder that is watched; of a rename or link, where it leads


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """How a program ended."""

    operations: tuple[Operation, ...]  # in the order in which they were asked for
    killed: bool  # before the last of them was made; False: it came to its end
    status: int  # exit status, negative for a signal


@dataclass(frozen=True, slots=True)
class _Plan:
    at: int | None
    alone: bool
    deadline: float  # monotonic seconds


def unsupported() -> str:
    """Return why programs can't be watched on this machine, "" when they can."""
    reason = seccomp.unsupported()
    if reason:
        return reason
    nothing = crash(lambda: None, Path("/proc"))
    return "" if nothing.status == 0 else "this container or kernel has no seccomp filters"


def crash(
    action: Callable[[], object], folder: Path, *, at: int | None = None, alone: bool = False, seconds: float = 120.0
) -> Crash:
    """Run `action` in a process of its own and kill it before its `at`-th call (from 0) that changes files in `folder`.

    All processes that the action started die in the same moment, as when the machine loses its power; with `alone` only
    the one that makes the call, as when the system is out of memory. `at=None` lets it go on to its end: that is how to
    learn how many calls there are. After `seconds` everything is killed.

    Call it in a process that has no threads (it forks), and in none that is watched already.
    """
    ours, theirs = os.pipe()
    watcher = os.fork()
    if not watcher:
        os.close(ours)
        _watch(action, os.path.realpath(folder), theirs, _Plan(at, alone, time.monotonic() + seconds))
    os.close(theirs)
    with open(ours, "rb") as line:  # noqa: PTH123
        told = line.read()
    os.waitpid(watcher, 0)
    plain = json.loads(told)
    return Crash(**{**plain, "operations": tuple(Operation(**operation) for operation in plain["operations"])})


def _watch(action: Callable[[], object], folder: str, line: int, plan: _Plan) -> NoReturn:
    """Start the action, look on, kill, tell what happened; in a process that exists for this only."""
    kernel.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair()
    program = os.fork()
    if not program:
        os.close(line)
        ours.close()
        _perform(action, theirs)
    theirs.close()
    witness = None if (listener := _received(ours)) is None else _Witness(Listener(listener), program, folder)
    killed = witness is not None and witness.look_on(plan)
    crash = Crash(operations=tuple(witness.operations if witness else ()), killed=killed, status=_end_all(program))
    os.write(line, json.dumps(asdict(crash)).encode())
    os._exit(0)


def _perform(action: Callable[[], object], line: socket.socket) -> NoReturn:
    status = 1
    try:
        os.setsid()
        listener = seccomp.install(_CALLS)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))
        line.sendmsg([b"l"], [rights])
        line.recv(1)  # it is being listened to
        os.close(listener)
        line.close()
        action()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001  (a process edge)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _received(line: socket.socket) -> int | None:
    with contextlib.suppress(OSError):
        _, ancillary, _, _ = line.recvmsg(1, socket.CMSG_SPACE(array.array("i", [0]).itemsize))
        if ancillary:
            line.sendall(b"g")
            return array.array("i", ancillary[0][2])[0]
    return None


class _Witness:
    """Sees each call before it is made, counts those that change the folder, and kills at the chosen one."""

    def __init__(self, listener: Listener, program: int, folder: str) -> None:
        self.operations: list[Operation] = []
        self._listener = listener
        self._program = program
        self._memory = Memory(program)
        self._folder = f"{folder}/"

    def look_on(self, plan: _Plan) -> bool:
        """Answer until no process is left, the time is up, or the moment to kill everything; True after a kill."""
        poll, killed, deadline = select.poll(), False, plan.deadline
        poll.register(self._listener.descriptor, select.POLLIN)
        while time.monotonic() < deadline:
            for _, event in poll.poll(200):
                if not event & select.POLLIN:
                    return killed
                if self._see(plan):
                    killed = True
                    if not plan.alone:
                        return True
            if deadline == plan.deadline and _is_over(self._program):
                deadline = min(deadline, time.monotonic() + _GRACE)  # what it started should see that, and end
        return killed

    def _see(self, plan: _Plan) -> bool:
        """Look at one call; True when it is the one before which to kill."""
        notification = self._listener.receive()
        if notification is None:
            return False
        operation = None
        with contextlib.suppress(OSError):  # a wrong address, or a thread that is gone: it changes nothing
            operation = self._operation(notification)
        if operation is not None:
            self.operations.append(operation)
            if len(self.operations) - 1 == plan.at:
                if plan.alone:
                    os.kill(notification.thread, signal.SIGKILL)
                return True
        self._listener.let_go_on(notification)
        return False

    def _operation(self, notification: Notification) -> Operation | None:
        call, arguments = _BY_NUMBER[notification.call], notification.arguments
        if call.path == _BY_DESCRIPTOR:
            if call.name == "ioctl" and arguments[1] & 0xFFFFFFFF != _FICLONE:
                return None
            path = folder_of(notification.thread, _descriptor(arguments[call.at]))
        else:
            at, name = (call.to_at, call.to_path) if call.to_path >= 0 else (call.at, call.path)
            path = self._path(notification, at, name)
        if not path.startswith(self._folder):
            return None
        return Operation(call=call.name, path=path.removeprefix(self._folder))

    def _path(self, notification: Notification, at: int, name: int) -> str:
        text = self._memory.text(notification.thread, notification.arguments[name])
        if text.startswith("/"):
            return tidy(text)
        start = AT_FDCWD if at < 0 else _descriptor(notification.arguments[at])
        return tidy(f"{folder_of(notification.thread, start)}/{text}")


def _descriptor(argument: int) -> int:
    half = argument & 0xFFFFFFFF
    return half - (1 << 32) if half >> 31 else half


def _is_over(program: int) -> bool:
    """True when the program has ended; what it started may go on."""
    return os.waitid(os.P_PID, program, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_all(program: int) -> int:
    """Kill every process below this one, wait until all are gone, and return the program's exit status."""
    status = 0
    while True:
        for process in _below(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            ended, how = os.wait()
        except ChildProcessError:
            return status
        if ended == program:
            status = os.waitstatus_to_exitcode(how)


def _below(root: int) -> list[int]:
    parents = dict(_parents())
    below = {root}
    while more := {process for process, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {root})


def _parents() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields: Sequence[bytes] = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                yield int(name), int(fields[1])
