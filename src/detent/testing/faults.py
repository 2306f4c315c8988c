"""A real fsspec filesystem that misbehaves when it is told to: what an object store may do to a program, on demand.

A schedule is asked at every call, in order, and names the fault to be made of it, or none: `seeded` throws dice that
fall the same way every time, `scripted` reads a list, and any function of (operation, path) will do.
"""
# ruff: noqa: ARG002  (the signatures are fsspec's)

from __future__ import annotations

import errno
import io
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

from fsspec.spec import AbstractFileSystem

Operation = Literal["look", "list", "read", "write", "remove", "move"]
Fault = Literal["timeout", "late", "truncate", "alter", "drop", "stale", "denied", "full", "locked"]
Schedule = Callable[[Operation, str], Fault | None]

# timeout   the call fails after nothing was done             late     it fails after everything was done
# truncate  a read or a write ends too early, silently         alter    one byte of it is another one, silently
# drop      a write or removal is forgotten, silently          stale    a look or listing does not show the object
# denied    no permission      full   no space      locked   the store is read-only
_MEANS: Mapping[Fault, frozenset[Operation]] = {
    "timeout": frozenset(get_args(Operation)),
    "late": frozenset({"write", "remove", "move"}),
    "truncate": frozenset({"read", "write"}),
    "alter": frozenset({"read", "write"}),
    "drop": frozenset({"write", "remove"}),
    "stale": frozenset({"look", "list"}),
    "denied": frozenset(get_args(Operation)),
    "full": frozenset({"write", "move"}),
    "locked": frozenset({"write", "remove", "move"}),
}
_ERRORS: Mapping[str, Callable[[str], OSError]] = {
    "timeout": lambda path: TimeoutError(errno.ETIMEDOUT, "no answer in time", path),
    "late": lambda path: TimeoutError(errno.ETIMEDOUT, "no answer in time", path),
    "denied": lambda path: PermissionError(errno.EACCES, "access denied", path),
    "full": lambda path: OSError(errno.ENOSPC, "no space left", path),
    "locked": lambda path: OSError(errno.EROFS, "read-only file system", path),
}


def seeded(seed: int, rates: Mapping[Fault, float]) -> Schedule:
    """Return a schedule that makes each fault, where it can happen, in a share of the calls (0 to 1)."""
    dice = random.Random(seed)  # noqa: S311  (reproducible on purpose)

    def schedule(operation: Operation, path: str) -> Fault | None:
        del path
        mark = dice.random()
        for fault, rate in rates.items():
            mark -= rate
            if mark < 0:
                return fault if operation in _MEANS[fault] else None
        return None

    return schedule


def scripted(faults: Iterable[Fault | None], *, on: Iterable[Operation] = get_args(Operation)) -> Schedule:
    """Return a schedule that makes these faults in this order, one for each call that is one of `on`; then none."""
    rest, wanted = iter(faults), frozenset(on)

    def schedule(operation: Operation, path: str) -> Fault | None:
        del path
        return next(rest, None) if operation in wanted else None

    return schedule


class FaultyFileSystem(AbstractFileSystem):
    """Passes every call on to a real filesystem, except for the faults. `made` lists them: (fault, operation, path)."""

    cachable = False  # two of them with equal arguments are two

    def __init__(self, inner: AbstractFileSystem, schedule: Schedule) -> None:
        super().__init__()
        self.inner, self.schedule = inner, schedule
        self.made: list[tuple[Fault, Operation, str]] = []
        self.protocol = inner.protocol  # whoever treats object stores in another way does so here, too

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Return what an object looks like; `stale`: it is not there."""
        if self._fault("look", path) == "stale":
            raise FileNotFoundError(path)
        return self.inner.info(path)

    def exists(self, path: str, **kwargs: Any) -> bool:
        """True when a look finds it."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List a folder; `stale`: what is in it is not shown."""
        fault = self._fault("list", path)
        return [] if fault == "stale" else self.inner.ls(path, detail=detail)

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """List everything below; `stale`: nothing is shown."""
        if self._fault("list", path) == "stale":
            return {} if detail else []
        return self.inner.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """Return bytes; some may be missing or altered."""
        fault = self._fault("read", path)
        return _spoil(self.inner.cat_file(path, start=start, end=end), fault)

    def get_file(self, rpath: str, lpath: Any, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write an object to a local file, like `cat_file`."""
        fault = self._fault("read", rpath)
        data = _spoil(self.inner.cat_file(rpath), fault)
        with open(lpath, "wb") as file:  # noqa: PTH123  (fsspec hands in strings)
            file.write(data)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        """Store bytes, or what the fault leaves of them. A conditional write (`mode="create"`) is not honoured."""
        fault = self._fault("write", path)
        if fault != "drop":
            self.inner.pipe_file(path, _spoil(value, fault))
        self._late(fault, path)

    def put_file(self, lpath: Any, rpath: str, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Store a local file, like `pipe_file`."""
        with open(lpath, "rb") as file:  # noqa: PTH123
            self.pipe_file(rpath, file.read())

    def rm_file(self, path: str) -> None:
        """Remove an object, or only say so."""
        fault = self._fault("remove", path)
        if fault != "drop":
            self.inner.rm_file(path)
        self._late(fault, path)

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Rename an object."""
        fault = self._fault("move", path1)
        self.inner.mv(path1, path2)
        self._late(fault, path1)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy an object."""
        fault = self._fault("write", path2)
        self.inner.cp_file(path1, path2)
        self._late(fault, path2)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make folders; without faults."""
        self.inner.makedirs(path, exist_ok=exist_ok)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Pass on."""
        self.inner.invalidate_cache(path)

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        if mode == "rb":
            return io.BytesIO(self.cat_file(path))
        if mode == "wb":
            return _Writer(self, path)
        raise NotImplementedError(f"mode {mode}")

    def _fault(self, operation: Operation, path: str) -> Fault | None:
        fault = self.schedule(operation, path)
        if fault is None or operation not in _MEANS[fault]:
            return None
        self.made.append((fault, operation, path))
        if fault in _ERRORS and fault != "late":
            raise _ERRORS[fault](path)
        return fault

    def _late(self, fault: Fault | None, path: str) -> None:
        if fault == "late":
            raise _ERRORS[fault](path)


class _Writer(io.BytesIO):
    """An open file that is stored when it is closed."""

    def __init__(self, filesystem: FaultyFileSystem, path: str) -> None:
        super().__init__()
        self._filesystem, self._path = filesystem, path

    def close(self) -> None:
        if not self.closed:
            self._filesystem.pipe_file(self._path, self.getvalue())
        super().close()


def _spoil(data: str | bytes, fault: Fault | None) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    if fault == "truncate":
        return data[: len(data) // 2]
    if fault == "alter" and data:
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    return data
