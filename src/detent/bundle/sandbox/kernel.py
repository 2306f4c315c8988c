"""What the child gives up before it touches the model: files, network, processes, memory. Linux; elsewhere less.

Only the standard library is imported here: a restriction holds for threads that start later, so nothing that starts
threads may come first.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from detent.bundle.sandbox.filter import program

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _FOR_ALL_THREADS = 1, 1
# linux/landlock.h; the numbers are the same on every machine
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute (map code), read files, list folders
_FILE_ONLY = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14)
_ALL_SINCE = ((1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))

_MACHINE = (
    *("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/localtime", "/etc/os-release"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/sys/devices/system/cpu"),
    *("/sys/fs/cgroup", "/dev/zero", "/dev/urandom", "/dev/random"),
)
_FILE_BYTES, _OPEN_FILES = 1 << 20, 256


class _Paths(ctypes.Structure):  # struct landlock_path_beneath_attr
    _pack_ = 1
    _fields_: ClassVar = [("rights", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _Program(ctypes.Structure):  # struct sock_fprog
    _fields_: ClassVar = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def confine(*, read: Sequence[Path], memory: int) -> tuple[str, ...]:
    """Give up, for good, all but computing and reading some files; returns what this system can't take away, in words.

    Args:
        read: folders that may be read, besides Python, its packages and the machine's libraries.
        memory: bytes of address space.

    Raises:
        OSError: the kernel refused something that it offers.
        RuntimeError: threads of libraries run already.
    """
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    if sys.platform != "linux":
        return ("files, network and processes can't be forbidden outside Linux",)
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
        raise RuntimeError("threads run already, and a restriction holds for new ones only")
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise _failure()
    return (*_forbid_files(libc, [*map(Path, _MACHINE), *_python(), *read]), *_forbid_calls(libc))


def _python() -> Iterable[Path]:
    prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    return (Path(entry) for entry in dict.fromkeys((*prefixes, *sys.path)) if entry and entry != "/")


def _forbid_files(libc: ctypes.CDLL, read: Iterable[Path]) -> tuple[str, ...]:
    try:
        version = _call(libc, _CREATE_RULESET, 0, 0, _VERSION_FLAG)
    except OSError:
        return ("files can't be forbidden: this kernel or container offers no Landlock",)
    handled = ctypes.c_uint64(sum(rights for since, rights in _ALL_SINCE if since <= version))
    ruleset = _call(libc, _CREATE_RULESET, ctypes.addressof(handled), ctypes.sizeof(handled), 0)
    for path in read:
        _allow(libc, ruleset, path, _READ)
    _allow(libc, ruleset, Path("/dev/null"), _FILE_ONLY & handled.value)
    _call(libc, _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return ()


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this machine
        return
    rule = _Paths(rights if path.is_dir() else rights & _FILE_ONLY, opened)
    _call(libc, _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
    os.close(opened)


def _forbid_calls(libc: ctypes.CDLL) -> tuple[str, ...]:
    machine = os.uname().machine
    if machine not in _SECCOMP:
        return (f"network and processes can't be forbidden on {machine}",)
    code = program(machine, os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    filtered = _Program(len(code) // 8, ctypes.addressof(buffer))
    _call(libc, _SECCOMP[machine], _SET_MODE_FILTER, _FOR_ALL_THREADS, ctypes.addressof(filtered))
    return ()


def _call(libc: ctypes.CDLL, number: int, *arguments: int) -> int:
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    if result < 0:
        raise _failure()
    return result


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
