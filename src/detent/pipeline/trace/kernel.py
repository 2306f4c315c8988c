"""Linux system calls that Python has no function for, and the constants of their headers."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

ARCHITECTURE = os.uname().machine if sys.platform == "linux" else ""

# linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
PR_SET_PTRACER = 0x59616D61  # "Yama"

# asm/unistd.h of both machines; 444 and above are the same on every machine
SECCOMP = {"x86_64": 317, "aarch64": 277}
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446


@cache
def libc() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def version() -> tuple[int, int]:
    """Return the kernel's version, such as (6, 1)."""
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(digit for digit in minor if digit.isdigit()) or 0)


def call(number: int, *arguments: int) -> int:
    """Make the system call of that number; pointers are given as addresses.

    Raises:
        OSError: the kernel refused.
    """
    result = libc().syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    if result < 0:
        raise _failure()
    return result


def prctl(option: int, value: int) -> None:
    """Change a property of this process.

    Raises:
        OSError: the kernel refused.
    """
    zero = ctypes.c_ulong(0)
    if libc().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) < 0:
        raise _failure()


def forbid_new_privileges() -> None:
    """Give up set-user-id programs for good, in this thread and its children: what lets anyone install a filter."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
