"""The process beside a worker that is told of its file calls. It only looks: each call goes on at once.

It is a process and not a thread of the worker: an extension that opens a file while it holds Python's lock would wait
for a thread that waits for the lock.
"""

from __future__ import annotations

import array
import contextlib
import errno
import gc
import json
import os
import select
import signal
import socket
import struct
from pathlib import Path
from typing import Any, NoReturn

from detent.pipeline.trace.calls import AT_FDCWD, CALLS, CREAT_FLAGS, Act, Call
from detent.pipeline.trace.ignored import Ignored
from detent.pipeline.trace.kernel import ARCHITECTURE
from detent.pipeline.trace.memory import Memory, folder_of, tidy
from detent.pipeline.trace.notes import Notes
from detent.pipeline.trace.seccomp import Listener, Notification

LENGTH = struct.Struct("=Q")  # before each message between worker and supervisor
_CONTROL = 3  # its descriptors after the clean-up
_BY_NUMBER = {call.number(ARCHITECTURE): call for call in CALLS}
_QUIET_SOCKETS = ("unix:/run/", "unix:/var/run/nscd/", "unix:/var/run/dbus/")  # names, users, the desktop
_NAME_SERVICE = 53


def run(control: socket.socket, worker: int) -> NoReturn:
    """Serve until the worker and all that it started are gone. Never returns; called right after a fork."""
    try:
        own = socket.socket(fileno=leave(control))
        own.sendall(LENGTH.pack(os.getpid()))
        Supervisor(own, Listener(_received(own)), worker).serve()
    finally:
        os._exit(0)


class Supervisor:
    """Answers the worker's requests and looks at the calls of its filter."""

    def __init__(self, control: socket.socket, listener: Listener, worker: int) -> None:
        self._control = control
        self._listener = listener
        self._worker = worker
        self._memory = Memory(worker)
        self._notes: Notes | None = None
        self._ignored = Ignored("", ())
        self._in, self._out = bytearray(), bytearray()
        self._poll = select.poll()

    def serve(self) -> None:
        """Loop until the filter has no process left."""
        self._control.setblocking(False)
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._listener.descriptor, select.POLLIN)
        while True:
            for descriptor, event in self._poll.poll():
                if descriptor == _CONTROL:
                    self._talk(event)
                elif event & select.POLLIN:
                    self._answer()
                else:
                    return

    def _answer(self) -> None:
        notification = self._listener.receive()
        if notification is None:
            return
        try:
            if self._notes is not None:
                self._look(notification, self._notes)
        except Exception as error:  # noqa: BLE001  (whatever happens here, nobody may be left waiting)
            # A call with a wrong address fails in the kernel as it does here, and one of a killed thread never happens.
            failed = isinstance(error, OSError) and error.errno == errno.EIO
            if self._notes is not None and not failed and self._listener.is_waiting(notification):
                self._notes.unseen.add(f"{_BY_NUMBER[notification.call].name}: {type(error).__name__}")
        finally:
            self._listener.let_go_on(notification)

    def _look(self, notification: Notification, notes: Notes) -> None:
        call, thread = _BY_NUMBER[notification.call], notification.thread
        arguments = notification.arguments
        if call.act is Act.LIST:
            self._list(thread, arguments[0], notes)
            return
        if call.act is Act.CONNECT:
            self._connect(self._memory.peer(thread, arguments[1], arguments[2] & 0xFFFFFFFF), notes)
            return
        if call.act is Act.SYMLINK:
            target = self._memory.text(thread, arguments[call.path])
            notes.symlinked(target, self._path(call.to_path, call.to_at, notification))
            return
        path = self._path(call.path, call.at, notification)
        if path:
            self._note(call, path, notification, notes)

    def _note(self, call: Call, path: str, notification: Notification, notes: Notes) -> None:
        match call.act:
            case Act.OPEN | Act.OPEN_BY:
                flags = self._flags(call, notification)
                ours = notes.ignored.in_project(path) or path not in notes.ignored
                is_code = ours and path.endswith((".py", ".pyc"))
                notes.opened(path, flags, by_child=is_code and not self._is_worker(notification.thread))
            case Act.PROBE:
                notes.probed(path)
            case Act.RUN:
                self._memory.forget()
                notes.ran(path)
            case Act.WRITE:
                notes.written(path)
            case Act.MAKE:
                notes.made_folder(path)
            case Act.REMOVE:
                notes.removed(path)
            case Act.MOVE:
                notes.moved(path, self._path(call.to_path, call.to_at, notification))
            case Act.LINK:
                notes.linked(path, self._path(call.to_path, call.to_at, notification))

    def _path(self, argument: int, folder: int, notification: Notification) -> str:
        at = AT_FDCWD if folder < 0 else _signed(notification.arguments[folder])
        path = self._memory.text(notification.thread, notification.arguments[argument])
        if not path:  # the descriptor itself: a program that is started from one
            return folder_of(notification.thread, at) if at >= 0 else ""
        return tidy(path if path.startswith("/") else f"{folder_of(notification.thread, at)}/{path}")

    def _flags(self, call: Call, notification: Notification) -> int:
        if call.act is Act.OPEN_BY:
            return self._memory.number(notification.thread, notification.arguments[call.flags])
        return CREAT_FLAGS if call.flags < 0 else notification.arguments[call.flags] & 0xFFFFFFFF

    def _list(self, thread: int, descriptor: int, notes: Notes) -> None:
        folder = folder_of(thread, _signed(descriptor))
        if folder in notes.ignored:
            return
        # Long listings take several calls; one that begins at the start is counted.
        position = Path(f"/proc/{thread}/fdinfo/{_signed(descriptor)}").read_bytes().split(maxsplit=2)[1]
        if int(position) == 0:
            notes.listed(folder, by_child=not self._is_worker(thread))

    @staticmethod
    def _connect(peer: str, notes: Notes) -> None:
        socket_file = peer.removeprefix("unix:")
        quiet = notes.ignored.is_passing(socket_file) or socket_file in notes.ignored  # among processes of one program
        if peer and not quiet and not peer.startswith(_QUIET_SOCKETS) and not peer.endswith(f":{_NAME_SERVICE}"):
            notes.connections.add(peer)

    def _is_worker(self, thread: int) -> bool:
        return Path(f"/proc/{self._worker}/task/{thread}").exists()

    def _talk(self, event: int) -> None:
        """Read requests and write answers as far as that goes without waiting.

        NOTE: The worker may be unable to read its answer before a call of another of its threads is answered.
        """
        if event & select.POLLIN:
            with contextlib.suppress(BlockingIOError):
                self._in += self._control.recv(1 << 16)
        while (message := _taken(self._in)) is not None:
            answer = self._do(json.loads(message))
            text = json.dumps(answer).encode()
            self._out += LENGTH.pack(len(text)) + text
        if self._out and not event & (select.POLLHUP | select.POLLERR):
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                del self._out[: self._control.send(self._out)]
        if event & (select.POLLHUP | select.POLLERR):  # the worker is gone; what it started may go on
            self._poll.unregister(self._control)
            self._notes = None
        else:
            self._poll.modify(self._control, select.POLLIN | (select.POLLOUT if self._out else 0))

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "begin":
            if "folder" in request:  # else it is the same as the last time
                self._ignored = Ignored(request["folder"], request["ignore"])
            self._notes = Notes(self._ignored)
            return {}
        notes, self._notes = self._notes, None
        return {} if notes is None else notes.report()


def _signed(argument: int) -> int:
    """Return a descriptor: the lower half of an argument, where -100 means the working folder."""
    half = argument & 0xFFFFFFFF
    return half - (1 << 32) if half >> 31 else half


def _taken(buffer: bytearray) -> bytes | None:
    """Take one message from the buffer, None when it is not complete yet."""
    if len(buffer) < LENGTH.size:
        return None
    end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
    if len(buffer) < end:
        return None
    message = bytes(buffer[LENGTH.size : end])
    del buffer[:end]
    return message


def _received(control: socket.socket) -> int:
    """Return the descriptor that the worker sends; end when it sends none."""
    _, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(array.array("i", [0]).itemsize))
    if not ancillary:
        os._exit(0)
    return array.array("i", ancillary[0][2])[0]


def leave(line: socket.socket) -> int:
    """Let go of everything that was the parent's: its terminal, its group, its descriptors, its signals.

    Returns the number that the line's descriptor has from now on.
    """
    gc.disable()  # nothing of the parent's is to be collected here, and no page of it to be copied
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the worker, which may need us to end well
        signal.signal(number, signal.SIG_IGN)
    os.dup2(line.fileno(), _CONTROL)
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    for other in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(other) > _CONTROL:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(int(other))
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text("detent-trace")
    return _CONTROL
