"""What the arguments of another thread's system call point to."""

from __future__ import annotations

import os
import socket
import struct

from detent.pipeline.trace.calls import AT_FDCWD

_PATH_MAX = 4096  # linux/limits.h
_USUAL_PATH = 200


class Memory:
    """Reads the memory of a process and of what it started; that of the process itself at a quarter of the price.

    Raises:
        OSError: by each method, when a process hides its memory or is gone.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._opened = -1

    def data(self, thread: int, address: int, size: int) -> bytes:
        """Return up to `size` bytes: fewer when memory ends before."""
        if thread == self._process:
            if self._opened < 0:
                self._opened = _open(thread)
            found = os.pread(self._opened, size, address)
            if found:
                return found
            self.forget()  # what was opened belonged to the program before
        opened = _open(thread)
        try:
            return os.pread(opened, size, address)
        finally:
            os.close(opened)

    def forget(self) -> None:
        """A program is about to be started: if it is in the process's place, its memory will be another one."""
        if self._opened >= 0:
            os.close(self._opened)
            self._opened = -1

    def text(self, thread: int, address: int) -> str:
        """Return the path that begins at an address."""
        text = b""
        for size in (_USUAL_PATH, _PATH_MAX):
            text, end, _ = self.data(thread, address, size).partition(b"\0")
            if end:
                break
        return os.fsdecode(text)

    def number(self, thread: int, address: int) -> int:
        """Return a 64-bit number."""
        return struct.unpack("=Q", self.data(thread, address, 8))[0]

    def peer(self, thread: int, address: int, size: int) -> str:
        """Return where a socket is to be connected: "host:port" or "unix:/path", "" for what leads nowhere."""
        found = self.data(thread, address, min(size, _PATH_MAX))
        family = int.from_bytes(found[:2], "little")
        if family == socket.AF_UNIX:
            name = os.fsdecode(found[2:].partition(b"\0")[0])
            return f"unix:{name}" if name else ""
        port = int.from_bytes(found[2:4], "big")
        if family == socket.AF_INET:
            return f"{socket.inet_ntop(family, found[4:8])}:{port}"
        if family == socket.AF_INET6:
            return f"[{socket.inet_ntop(family, found[8:24])}]:{port}"
        return ""


def _open(thread: int) -> int:
    return os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)


def folder_of(thread: int, descriptor: int) -> str:
    """Return the path of a thread's working folder, or of a folder that it has opened."""
    where = "cwd" if descriptor == AT_FDCWD else f"fd/{descriptor}"
    return os.readlink(f"/proc/{thread}/{where}")  # noqa: PTH115


def tidy(path: str) -> str:
    """Return an absolute path without `//`, `/./` and `/../`; the last is resolved as the kernel does, behind links."""
    if "//" not in path and "/." not in path and not path.endswith("/"):
        return path
    if "/../" in path or path.endswith("/.."):
        before, _, after = path.partition("/..")
        return tidy(os.path.realpath(before + "/..") + after) if before else tidy(after or "/")
    return os.path.normpath(path).replace("//", "/")  # normpath keeps two slashes at the start
