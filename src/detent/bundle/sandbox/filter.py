"""The system calls that a confined process may not make, as a program for the kernel (seccomp, classic BPF).

No sockets, no other processes (neither made, nor signalled, nor looked into), no change of files' owners, modes and
times (which Landlock leaves free), nothing that only an administrator needs.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping

# name -> number on x86_64, on aarch64 (None: not there); asm/unistd.h
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "setrlimit": (160, 164),
    "open_by_handle_at": (304, 265), "shmget": (29, 194), "mq_open": (240, 180), "truncate": (76, 45),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip
_CLONE, _CLONE3, _TGKILL = (56, 220), (435, 435), (234, 131)
_PRLIMIT, _FCNTL, _IOCTL = (302, 261), (72, 25), (16, 29)
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_THREAD = 0x00010000  # CLONE_THREAD
_OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: whom the kernel signals when data comes
_SOCKET_OWNERS = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP

# linux/bpf_common.h, linux/seccomp.h; offsets in struct seccomp_data
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000  # a second table of calls on x86_64

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def program(machine: str, pid: int) -> bytes:
    """Return the filter for a process with this id; instructions of 8 bytes."""
    column = tuple(_ARCHITECTURE).index(machine)
    refuse = [(_RETURN, 0, 0, _ERROR | errno.EPERM)]
    special: Mapping[int, list[Instruction]] = {
        _CLONE[column]: [(_LOAD, 0, 0, _low(0)), (_ANY_BIT, 1, 0, _THREAD), *refuse, (_RETURN, 0, 0, _ALLOW)],
        _CLONE3[column]: [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)],  # its flags lie in memory; libc falls back to clone
        _TGKILL[column]: [(_LOAD, 0, 0, _low(0)), (_EQUAL, 1, 0, pid), *refuse, (_RETURN, 0, 0, _ALLOW)],
        _PRLIMIT[column]: [
            *((_LOAD, 0, 0, _low(2)), (_EQUAL, 0, 2, 0), (_LOAD, 0, 0, _low(2) + 4), (_EQUAL, 1, 0, 0)),
            *(*refuse, (_RETURN, 0, 0, _ALLOW)),
        ],
        _FCNTL[column]: _unless_among(_OWNERS, refuse),
        _IOCTL[column]: _unless_among(_SOCKET_OWNERS, refuse),
    }
    code: list[Instruction] = [
        *((_LOAD, 0, 0, _MACHINE_AT), (_EQUAL, 1, 0, _ARCHITECTURE[machine]), (_RETURN, 0, 0, _KILL)),
        *((_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)),
    ]
    for number, body in special.items():
        code += [(_EQUAL, 0, len(body), number), *body]
    for number in (numbers[column] for numbers in _DENIED.values()):
        if number is not None:
            code += [(_EQUAL, 0, 1, number), *refuse]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _unless_among(values: Iterable[int], refuse: list[Instruction]) -> list[Instruction]:
    """Refuse a call whose second argument is one of these; allow it otherwise."""
    code: list[Instruction] = [(_LOAD, 0, 0, _low(1))]
    for value in values:
        code += [(_EQUAL, 0, 1, value), *refuse]
    return [*code, (_RETURN, 0, 0, _ALLOW)]


def _low(argument: int) -> int:
    """Return where the low half of an argument lies (little-endian machines, which both are)."""
    return _ARGUMENTS_AT + 8 * argument
