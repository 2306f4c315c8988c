"""The system calls that name a file, and what each does to it."""

from __future__ import annotations

import os
from enum import Enum
from typing import NamedTuple

AT_FDCWD = -100  # linux/fcntl.h: a relative path starts from the working folder
_AT_EMPTY_PATH = 0x1000  # linux/fcntl.h: the descriptor itself is meant; it was opened before
_O_PATH, _O_TMPFILE = 0o10000000, 0o20000000  # asm-generic/fcntl.h: no content is read; a file without a name
_NO_CONTENT = _O_PATH | _O_TMPFILE


class Act(Enum):
    """What a system call does to the file that it names."""

    OPEN = "open"
    OPEN_BY = "open by"  # flags lie in memory, in a `struct open_how`
    PROBE = "probe"  # does it exist?
    LIST = "list"  # named by a descriptor
    RUN = "run"
    WRITE = "write"
    MAKE = "make"  # a folder
    REMOVE = "remove"
    MOVE = "move"
    LINK = "link"
    SYMLINK = "symlink"  # its first path is a text and need not exist
    CONNECT = "connect"  # named by a socket address


class Call(NamedTuple):
    """One system call. Columns that end in `at`, `path` or `flags` are numbers of arguments; -1: it has none."""

    name: str
    x86_64: int
    aarch64: int  # which has no calls without `at`
    act: Act
    at: int = -1  # descriptor of the folder that a relative path starts from
    path: int = 0
    flags: int = -1
    but: int = 0  # not when one of these flags is set
    only: int = 0  # only when one of these flags is set
    to_at: int = -1
    to_path: int = -1

    def number(self, architecture: str) -> int:
        """Return the call's number on a machine, -1 when it has none."""
        return self.x86_64 if architecture == "x86_64" else self.aarch64


# Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
CALLS = (
    #     name         x86_64 arm64  act        at  path flags
    Call("open",           2,    -1, Act.OPEN,    -1, 0, 1, _NO_CONTENT),
    Call("openat",       257,    56, Act.OPEN,     0, 1, 2, _NO_CONTENT),
    Call("openat2",      437,   437, Act.OPEN_BY,  0, 1, 2),
    Call("stat",           4,    -1, Act.PROBE),
    Call("lstat",          6,    -1, Act.PROBE),
    Call("access",        21,    -1, Act.PROBE),
    Call("newfstatat",   262,    79, Act.PROBE,    0, 1, 3, _AT_EMPTY_PATH),
    Call("statx",        332,   291, Act.PROBE,    0, 1, 2, _AT_EMPTY_PATH),
    Call("faccessat",    269,    48, Act.PROBE,    0, 1),
    Call("faccessat2",   439,   439, Act.PROBE,    0, 1),
    Call("getdents",      78,    -1, Act.LIST),
    Call("getdents64",   217,    61, Act.LIST),
    Call("execve",        59,   221, Act.RUN),
    Call("execveat",     322,   281, Act.RUN,      0, 1),
    Call("creat",         85,    -1, Act.OPEN),
    Call("truncate",      76,    45, Act.WRITE),
    Call("chmod",         90,    -1, Act.WRITE),
    Call("fchmodat",     268,    53, Act.WRITE,    0, 1),
    Call("fchmodat2",    452,   452, Act.WRITE,    0, 1),
    Call("mkdir",         83,    -1, Act.MAKE),
    Call("mkdirat",      258,    34, Act.MAKE,     0, 1),
    Call("rmdir",         84,    -1, Act.REMOVE),
    Call("unlink",        87,    -1, Act.REMOVE),
    Call("unlinkat",     263,    35, Act.REMOVE,   0, 1),
    Call("rename",        82,    -1, Act.MOVE,    to_path=1),
    Call("renameat",     264,    38, Act.MOVE,     0, 1, to_at=2, to_path=3),
    Call("renameat2",    316,   276, Act.MOVE,     0, 1, to_at=2, to_path=3),
    Call("link",          86,    -1, Act.LINK,    to_path=1),
    Call("linkat",       265,    37, Act.LINK,     0, 1, to_at=2, to_path=3),
    Call("symlink",       88,    -1, Act.SYMLINK, to_path=1),
    Call("symlinkat",    266,    36, Act.SYMLINK, to_at=1, to_path=2),
    Call("connect",       42,   203, Act.CONNECT, path=1),
)  # fmt: skip
CREAT_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_TRUNC  # what `creat` means

# Opens that go through an io_uring pass no filter. Programs that use one do without where the kernel has none.
IO_URING_SETUP = 425
