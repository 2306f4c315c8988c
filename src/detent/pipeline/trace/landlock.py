"""Forbid a process every file that it did not declare, by the kernel: native libraries and children are bound as well.

Landlock needs no privilege. What is once forbidden stays forbidden, so a process that was restricted runs one step.
It does not hide that a file exists: `os.stat` answers. The rights of a folder hold for all that lies below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from detent.errors import RefusedError, StepError
from detent.pipeline.trace import kernel
from detent.pipeline.trace.ignored import ETC, HOME_CACHES, SYSTEM, interpreter

# linux/landlock.h: access rights of files, and the version (ABI) that brought them
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_CHANGE_FOLDERS = sum(1 << bit for bit in range(4, 13))  # remove_dir ... make_sym
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_RIGHTS_SINCE = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE))
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE  # what a rule for a file may name
_CONNECT_TCP = 1 << 1
_CONNECT_SINCE = 4
_CREATE_RULESET_VERSION = 1 << 0
_RULE_PATH_BENEATH = 1
_READ = _EXECUTE | _READ_FILE | _READ_DIR

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm")  # noqa: S108
_CARDS = ("nvidia*", "nvidia-caps", "dri", "kfd", "dxg")
_MACHINE = ("/proc", "/sys", "/dev/random", "/dev/urandom", "/dev/fd", "/run/systemd/resolve", "/run/nscd")

# How libraries and programs say that they may not open a file, the most telling form first.
_MESSAGES = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"[Pp]ermission denied \(os error 13\): (?P<path>.+?)(?: \(.*\))?$",  # polars
        r"Permission denied: b?['\"](?P<path>[^'\"]+)",  # Python
        r"Failed to open local file '(?P<path>[^']+)'.*Permission denied",  # pyarrow
        r"['\"`](?P<path>[^'\"`\n]+)['\"`][^'\"`\n]*Permission denied",  # duckdb, polars with a pattern, head
        r"(?:^|[ :])(?P<path>[^ :\n]+): Permission denied",  # cat, grep, sh
    )
)


class _Ruleset(ctypes.Structure):  # struct landlock_ruleset_attr
    _fields_: ClassVar = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):  # struct landlock_path_beneath_attr
    _pack_ = 1
    _fields_: ClassVar = [("rights", ctypes.c_uint64), ("parent", ctypes.c_int32)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presets:
    """What every Python step needs of the machine, besides its own files."""

    read: tuple[
        Path, ...
    ]  # interpreter, packages, libraries, certificates, fonts, time zones, the state of the machine
    write: tuple[Path, ...]  # devices without memory, shared memory, graphics cards


def supported() -> int:
    """Return the version of Landlock that this kernel offers, 0 for none."""
    if sys.platform != "linux":
        return 0
    try:
        return kernel.call(kernel.LANDLOCK_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)
    except OSError:  # not built in, not switched on, or forbidden by a container
        return 0


def presets() -> Presets:
    """Return what exists of the files that a Python step needs on this machine."""
    home = Path.home()
    read = (*SYSTEM, *(f"/etc/{name}" for name in ETC), *_MACHINE, *interpreter())
    cards = [card for pattern in _CARDS for card in Path("/dev").glob(pattern)]
    caches = [home / cache for cache in HOME_CACHES]
    write = (*(Path(device) for device in _DEVICES), *cards)
    return Presets(read=_existing([*map(Path, read), *caches]), write=_existing(write))


def restrict(
    *, read: Sequence[Path], write: Sequence[Path], connect: bool, list_only: Sequence[Path] = ()
) -> tuple[str, ...]:
    """Forbid this process and all that it will start, for good, what is not named here.

    Call it before libraries start threads of their own: those would stay free, so they are an error. Threads of
    `threading` that exist already stay free, too. Paths that do not exist are skipped.

    Args:
        read: files and folders that may be read, run and listed. Include `presets().read`.
        write: the same, and changed in every way. Include `presets().write`.
        connect: may TCP connections be opened?
        list_only: folders whose names may be seen, and those of folders below, but no content: what an import of a
            declared module needs of the project folder.

    Returns:
        What this kernel can't forbid, in words.

    Raises:
        StepError: the kernel has no Landlock.
        RefusedError: a library has threads already.
    """
    version = supported()
    if not version:
        raise StepError(
            what="undeclared reads can't be forbidden here",
            why="this kernel or container offers no Landlock (Linux 5.13 or newer, with `landlock` among its lsm=)",
            fix="run without --hermetic: undeclared reads are recorded and warned of",
        )
    _refuse_native_threads()
    files = sum(rights for since, rights in _RIGHTS_SINCE if since <= version)
    network = _CONNECT_TCP if not connect and version >= _CONNECT_SINCE else 0
    attributes = _Ruleset(files, network)
    # Older kernels refuse what they do not know, even a field that is zero.
    size = ctypes.sizeof(attributes) if version >= _CONNECT_SINCE else ctypes.sizeof(ctypes.c_uint64)
    ruleset = kernel.call(kernel.LANDLOCK_CREATE_RULESET, ctypes.addressof(attributes), size, 0)
    try:
        for paths, rights in ((list_only, _READ_DIR), (read, _READ), (write, files)):
            for path in _existing(paths):
                _allow(ruleset, path, rights & files)
        kernel.forbid_new_privileges()
        kernel.call(kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return _limits(version, connect)


def denied(error: BaseException) -> str | None:
    """Return the path that a library was refused, if its error or one that caused it says so."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, PermissionError) and isinstance(current.filename, (str, bytes)):
            return os.fsdecode(current.filename)
        texts = [str(current)]
        if isinstance(current, subprocess.CalledProcessError):
            texts += [_decoded(current.stderr), _decoded(current.stdout)]
        for text in texts:
            found = next((found for message in _MESSAGES if (found := message.search(text))), None)
            if found is not None:
                return found["path"]
        current = current.__cause__ or current.__context__
    return None


def _limits(version: int, connect: bool) -> tuple[str, ...]:
    limits = []
    if version < _RIGHTS_SINCE[-1][0]:
        limits.append("files that may not be written can still be truncated (Linux 6.2 forbids it)")
    if not connect and version < _CONNECT_SINCE:
        limits.append("TCP connections can't be forbidden (Linux 6.7 can)")
    return tuple(limits)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    rights = rights if path.is_dir() else rights & _OF_FILES
    if not rights:
        return
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # gone since, or not ours to give
        return
    try:
        rule = _PathBeneath(rights, opened)
        kernel.call(kernel.LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
    except OSError as error:
        if error.errno != errno.EBADFD:  # an object of the kernel's own, such as a pipe: never restricted
            raise
    finally:
        os.close(opened)


def _refuse_native_threads() -> None:
    with contextlib.suppress(OSError):
        native = len(os.listdir("/proc/self/task")) - threading.active_count()  # noqa: PTH208
        if native > 0:
            raise RefusedError(
                what="this process can't be restricted any more",
                why=f"{native} threads of libraries run already, and a restriction holds for new threads only",
                fix="restrict the process before anything is imported that computes in threads",
            )


def _existing(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path for path in paths if os.path.lexists(path)))


def _decoded(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
