"""What Python itself tells: who lists folders, which hosts are looked up; and all there is where the kernel is silent.

An audit hook can't be removed, so there is one for the process, which is idle between steps. It does not see files that
native libraries or child processes open.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable
from threading import get_ident
from typing import Any

from detent.pipeline.trace.memory import tidy
from detent.pipeline.trace.notes import Notes

# Modules that look into every folder of `sys.path` on their own account.
_IMPORTERS = frozenset(
    (
        *("_frozen_importlib_external", "importlib._bootstrap_external", "importlib.metadata", "pkgutil"),
        *("importlib_metadata", "pkg_resources"),
    )
)


class Heard:
    """What the hook was told since `begin`."""

    def __init__(self) -> None:
        self.importers: Counter[str] = Counter()  # folders that were listed to find modules
        self.hosts: set[str] = set()
        self.words: set[str] = set()  # arguments of programs that were started
        self.notes: Notes | None = None  # where file events go when the kernel reports none
        self._busy: set[int] = set()  # threads that are in here: what they do now is ours

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take one event."""
        thread = get_ident()
        if thread in self._busy:
            return
        self._busy.add(thread)
        try:
            self._take(event, arguments)
        finally:
            self._busy.discard(thread)

    def _take(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.listdir", "os.scandir"):
            self._list(arguments[0])
        elif event == "socket.getaddrinfo" and arguments[0]:
            self.hosts.add(f"{_text(arguments[0])}:{_text(arguments[1] or '')}".rstrip(":"))
        elif self.notes is not None and event in _FILE_EVENTS:
            _FILE_EVENTS[event](self, self.notes, arguments)

    def _list(self, where: Any) -> None:
        path = _path(where)
        # Frames: this, `_take`, `hear`, the hook, who lists.
        if sys._getframe(4).f_globals.get("__name__") in _IMPORTERS:
            self.importers[os.path.realpath(path)] += 1
        elif self.notes is not None:
            self.notes.listed(path)

    def _start(self, notes: Notes, arguments: tuple[Any, ...]) -> None:
        program, words = arguments[0], arguments[1] if len(arguments) > 1 else ()
        words = words if isinstance(words, (list, tuple)) else [words]
        texts = [_text(word) for word in [program, *words] if isinstance(word, (str, bytes, os.PathLike))]
        notes.children.update(texts[:1])
        self.words.update(text for text in texts if text)

    def _connect(self, notes: Notes, arguments: tuple[Any, ...]) -> None:
        address = arguments[1]
        notes.connections.add(f"{address[0]}:{address[1]}" if isinstance(address, tuple) else f"unix:{_text(address)}")


_FILE_EVENTS: dict[str, Callable[[Heard, Notes, tuple[Any, ...]], None]] = {
    "open": lambda _, notes, given: notes.opened(_path(given[0]), given[2]),
    "sqlite3.connect": lambda _, notes, given: notes.opened(_path(given[0]), os.O_RDWR | os.O_CREAT),
    "ctypes.dlopen": lambda _, notes, given: notes.opened(_path(given[0]), os.O_RDONLY),
    "os.remove": lambda _, notes, given: notes.removed(_path(given[0])),
    "os.rmdir": lambda _, notes, given: notes.removed(_path(given[0])),
    "os.mkdir": lambda _, notes, given: notes.made_folder(_path(given[0])),
    "os.rename": lambda _, notes, given: notes.moved(_path(given[0]), _path(given[1])),
    "os.link": lambda _, notes, given: notes.linked(_path(given[0]), _path(given[1])),
    "os.symlink": lambda _, notes, given: notes.symlinked(_text(given[0]), _path(given[1])),
    "os.truncate": lambda _, notes, given: notes.written(_path(given[0])),
    "os.chmod": lambda _, notes, given: notes.written(_path(given[0])),
    "subprocess.Popen": Heard._start,
    "os.exec": Heard._start,
    "os.posix_spawn": Heard._start,
    "os.system": Heard._start,
    "socket.connect": Heard._connect,
}
_listener: Heard | None = None
_installed = False


def begin(notes: Notes | None) -> Heard:
    """Listen from now on; file events go to the notes, if there are any."""
    global _listener, _installed
    heard = Heard()
    heard.notes = notes
    _listener = heard
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)
    return heard


def end() -> None:
    """Listen no more."""
    global _listener
    _listener = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _listener is not None:
        with contextlib.suppress(OSError, TypeError, ValueError, LookupError):  # a hook that raises forbids
            _listener.hear(event, arguments)


def _text(name: Any) -> str:
    return os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else str(name)


def _path(name: Any) -> str:
    """Return the absolute path of a file that Python was asked for by name or descriptor."""
    if name is None:
        return os.getcwd()  # noqa: PTH109
    if isinstance(name, int):
        return os.readlink(f"/proc/self/fd/{name}") if sys.platform == "linux" else ""  # noqa: PTH115
    return tidy(os.path.join(os.getcwd(), _text(name)))  # noqa: PTH109, PTH118
