"""The worker's end: start the process that looks on, install the filter, ask what was seen."""

from __future__ import annotations

import array
import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from detent.errors import StepError
from detent.pipeline.trace import kernel, seccomp, supervisor
from detent.pipeline.trace.nursery import start_supervisor

_WHY_NOT = {
    errno.EBUSY: "a process above this one watches it already",
    errno.EPERM: "this container forbids it",
    errno.EACCES: "this container forbids it",
    errno.ENOSYS: "this container or kernel has no seccomp filters",
    errno.EINVAL: "this kernel's seccomp can't report calls",
}
_PROBE = "/.detent-trace-probe"  # a name that is looked for to see whether looking is seen


class Watch:
    """A filter that holds for this process and all that it starts, and the process that is told of their calls."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._told: tuple[str, tuple[str, ...]] | None = None  # what the other process keeps from the last `begin`

    def begin(self, folder: str, ignore: Sequence[str]) -> None:
        """Forget what was seen and note from now on.

        Raises:
            StepError: the process that looks on is gone.
        """
        given = (folder, tuple(ignore))
        if given == self._told:
            self._ask({"do": "begin"})
        else:
            self._ask({"do": "begin", "folder": folder, "ignore": list(ignore)})
            self._told = given

    def end(self) -> dict[str, Any]:
        """Return what was seen since `begin`, and note no more.

        Raises:
            StepError: the process that looks on is gone.
        """
        return self._ask({"do": "end"})

    def sees(self) -> bool:
        """Return False when paths can't be read, because processes are hidden from each other here."""
        self.begin("/", ())
        with contextlib.suppress(OSError):
            os.stat(_PROBE)  # noqa: PTH116
        return _PROBE in self.end().get("seen", {})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(request).encode()
        try:
            self._control.sendall(supervisor.LENGTH.pack(len(text)) + text)
            size = supervisor.LENGTH.unpack(self._take(supervisor.LENGTH.size))[0]
            return json.loads(self._take(size))
        except OSError as error:
            raise StepError(
                what="what the step read is not known",
                why=f"the process that watches its files has ended, or the step closed its line to it ({error})",
                fix="run it again; a step must not close descriptors or end processes that it did not open or start",
            ) from error

    def _take(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece = self._control.recv(min(size - len(found), 1 << 20))
            if not piece:
                raise ConnectionResetError("end of file")
            found += piece
        return bytes(found)


def start() -> tuple[Watch | None, str]:
    """Watch this process and all that it will start, for good; return None and the reason where that is impossible."""
    reason = seccomp.unsupported()
    if reason:
        return None, reason
    try:
        control = start_supervisor()
    except OSError as error:
        return None, f"no process can be started: {error.strerror}"
    try:
        supervisor_id = supervisor.LENGTH.unpack(control.recv(supervisor.LENGTH.size))[0]
        with contextlib.suppress(OSError):  # no such protection in this kernel
            kernel.prctl(kernel.PR_SET_PTRACER, supervisor_id)
        _hand_over(control, seccomp.install())
    except (OSError, struct.error) as error:
        control.close()  # which ends the other process
        return None, _WHY_NOT.get(getattr(error, "errno", None) or 0, str(error))
    watch = Watch(control)
    return (watch, "") if watch.sees() else (None, "processes can't see each other's memory here")


def _hand_over(control: socket.socket, listener: int) -> None:
    """Send the listener's descriptor and keep none: calls fail, and do not wait for ever, once nobody listens."""
    try:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))
        control.sendmsg([b"l"], [rights])
    finally:
        os.close(listener)
