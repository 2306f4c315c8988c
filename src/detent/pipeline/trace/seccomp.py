"""A seccomp filter that reports file calls to another process, which sees paths and lets each call go on.

Nothing is forbidden here and no privilege is needed. The filter holds for the process, all its threads and all its
children, for good.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import struct
import sys
from collections.abc import Iterable
from typing import NamedTuple

from detent.pipeline.trace import kernel
from detent.pipeline.trace.calls import CALLS, IO_URING_SETUP, Call

# linux/seccomp.h
_SET_MODE_FILTER = 1
_FLAG_TSYNC, _FLAG_SPEC_ALLOW, _FLAG_NEW_LISTENER, _FLAG_TSYNC_ESRCH, _FLAG_WAIT_KILLABLE = 1, 4, 8, 16, 32
_RET_ALLOW, _RET_USER_NOTIF, _RET_ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
_IOCTL_RECV, _IOCTL_SEND, _IOCTL_ID_VALID, _IOCTL_SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104
_FD_SYNC_WAKE_UP = 1  # the reporting thread hands its processor over: half the price of a call
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_NOTIF = struct.Struct("=QIIiIQ6Q")  # id, pid, flags; seccomp_data: nr, arch, instruction_pointer, args[6]
_RESPONSE = struct.Struct("=QqiI")  # id, val, error, flags

# linux/bpf_common.h: codes of instructions
_LOAD, _EQUALS, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
# struct seccomp_data: offsets of its fields; the lower half of an argument comes first on both machines
_NR, _ARCH, _ARGS = 0, 4, 16
# linux/audit.h
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_OLDEST_KERNEL = (5, 9)  # the first that tells a listener when the last process of its filter is gone


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


class Notification(NamedTuple):
    """A thread that waits in a system call until it is answered."""

    id: int
    thread: int
    call: int
    arguments: tuple[int, ...]


def unsupported() -> str:
    """Return why this machine can't report system calls, "" when it can."""
    if kernel.ARCHITECTURE not in _AUDIT_ARCH or sys.byteorder != "little" or sys.maxsize < 2**32:
        return f"{sys.platform} {kernel.ARCHITECTURE} is not known to it"
    if kernel.version() < _OLDEST_KERNEL:
        return f"it needs Linux {_OLDEST_KERNEL[0]}.{_OLDEST_KERNEL[1]}"
    return ""


def program(architecture: str, calls: Iterable[Call] = CALLS) -> list[tuple[int, int, int, int]]:
    """Return the filter as (code, jump if so, jump if not, operand). Jumps count the instructions that they skip."""
    report, allow = (_RETURN, 0, 0, _RET_USER_NOTIF), (_RETURN, 0, 0, _RET_ALLOW)
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUALS, 1, 0, _AUDIT_ARCH[architecture]),
        allow,  # a 32-bit child has other numbers
        (_LOAD, 0, 0, _NR),
        (_EQUALS, 0, 1, IO_URING_SETUP),
        (_RETURN, 0, 0, _RET_ERRNO | errno.ENOSYS),
    ]
    for call in calls:
        number = call.number(architecture)
        if number < 0:
            continue
        if call.but or call.only:
            lines += [
                (_EQUALS, 0, 4, number),
                (_LOAD, 0, 0, _ARGS + 8 * call.flags),
                (_HAS_BITS, 1, 0, call.but) if call.but else (_HAS_BITS, 0, 1, call.only),
                report,
                allow,
            ]
        else:
            lines += [(_EQUALS, 0, 1, number), report]
    return [*lines, allow]


def install(calls: Iterable[Call] = CALLS) -> int:
    """Install a filter for `calls` in all threads of this process; return the descriptor at which its reports arrive.

    Raises:
        OSError: the kernel or a container forbids it, or a filter of this kind is there already (EBUSY).
    """
    lines = program(kernel.ARCHITECTURE, calls)
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    compiled = _Program(len(lines), instructions)
    flags = _FLAG_NEW_LISTENER | _FLAG_TSYNC | _FLAG_TSYNC_ESRCH | _FLAG_SPEC_ALLOW
    number = kernel.SECCOMP[kernel.ARCHITECTURE]
    kernel.forbid_new_privileges()
    try:
        # A signal must not interrupt a call that is being looked at: it would be reported twice, and Go sends many.
        return kernel.call(number, _SET_MODE_FILTER, flags | _FLAG_WAIT_KILLABLE, ctypes.addressof(compiled))
    except OSError as error:
        if error.errno != errno.EINVAL:  # before Linux 5.19
            raise
        return kernel.call(number, _SET_MODE_FILTER, flags, ctypes.addressof(compiled))


class Listener:
    """The end at which reports arrive."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._notification = bytearray(_NOTIF.size)
        self._response = bytearray(_RESPONSE.size)
        with contextlib.suppress(OSError):  # before Linux 6.6
            fcntl.ioctl(descriptor, _IOCTL_SET_FLAGS, _FD_SYNC_WAKE_UP)

    def receive(self) -> Notification | None:
        """Return the next call, None when its thread was killed in the meantime."""
        self._notification[:] = bytes(_NOTIF.size)  # the kernel insists on zeros
        try:
            fcntl.ioctl(self.descriptor, _IOCTL_RECV, self._notification, True)
        except OSError:
            return None
        number, thread, _, call, _, _, *arguments = _NOTIF.unpack(self._notification)
        return Notification(number, thread, call, tuple(arguments))

    def is_waiting(self, notification: Notification) -> bool:
        """Return False when the thread was killed in the meantime."""
        try:
            fcntl.ioctl(self.descriptor, _IOCTL_ID_VALID, struct.pack("=Q", notification.id))
        except OSError:
            return False
        return True

    def let_go_on(self, notification: Notification) -> None:
        """Let the thread make its call as if nobody had looked."""
        _RESPONSE.pack_into(self._response, 0, notification.id, 0, 0, _CONTINUE)
        with contextlib.suppress(OSError):  # the thread was killed while it waited
            fcntl.ioctl(self.descriptor, _IOCTL_SEND, self._response, True)
