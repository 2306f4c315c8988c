"""Files of this machine as a source."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from detent.data.versions.entries import File, is_name, stays_inside
from detent.data.versions.source import SHOWN, Found, Survey, being_written, refused, unreadable
from detent.data.versions.tree import Path as Names
from detent.errors import DataError, Place, did_you_mean
from detent.store.blobs import Blobs


class LocalSource:
    """A folder or file. Links that stay inside the folder are kept as links; others are refused, never followed."""

    def __init__(self, path: Path, blobs: Blobs, *, state: Path, store: bool = True) -> None:
        """Look at a path. `state` is the project's own folder, which no dataset may hold; without `store`, only hash.

        Raises:
            DataError: there is no such path, or it holds the state.
        """
        self._root = _existing(path)
        self._blobs, self._store = blobs, store
        self._single = self._root.is_file()
        state = state.resolve()
        if self._root == state or state.is_relative_to(self._root) or self._root.is_relative_to(state):
            raise DataError(
                what=f"{path} can't be added",
                why=f"it holds the project's own state, {state}, which grows with every version",
                fix="add the folder that holds the data and nothing else",
                where=Place(file=str(path)),
            )

    @property
    def place(self) -> str:
        """The path, absolute and without links."""
        return str(self._root)

    @property
    def batch(self) -> int:
        """Many: the store waits for the disk once per batch."""
        return 512

    @property
    def single(self) -> bool:
        """True for one file."""
        return self._single

    def survey(self) -> Survey:
        """Count files and bytes.

        Raises:
            DataError: something is neither file, folder nor a link that stays inside, or its name is not UTF-8.
        """
        files = size = more = 0
        problems: list[tuple[str, str]] = []
        for found, problem in look(self._root):
            if problem:
                more += len(problems) >= SHOWN
                problems = [*problems, ("/".join(found.path), problem)][:SHOWN]
            elif not found.folder and found.target is None:
                files, size = files + 1, size + found.size
        if problems:
            raise refused(self.place, problems, more)
        return Survey(files=files, bytes=size)

    def scan(self) -> Iterator[Found]:
        """Yield what is there, depth first by name."""
        for found, problem in look(self._root):
            if problem:
                raise refused(self.place, [("/".join(found.path), problem)], 0)
            yield found

    def keep(self, batch: Sequence[Found]) -> list[tuple[File, Found]]:
        """Store files' bytes. A file that is written meanwhile, or replaced by a link, is refused."""
        paths = [self._root if self._single else self._root.joinpath(*found.path) for found in batch]
        path = self._root
        try:
            before = [_found(found.path, path.lstat()) for found, path in zip(batch, paths, strict=True)]
            digests = self._blobs.put_many(paths) if self._store else [hash_file(path) for path in paths]
            for path, found in zip(paths, before, strict=True):
                if _found(found.path, path.lstat()).token != found.token:
                    raise being_written(str(path))
        except OSError as error:
            raise unreadable(str(error.filename or path), error) from error
        return [
            (File(name=found.path[-1], size=found.size, digest=digest, executable=found.executable), found)
            for found, digest in zip(before, digests, strict=True)
        ]


def look(root: Path) -> Iterator[tuple[Found, str]]:
    """Yield (what is there, why it can't be versioned or "") depth first by name; a file yields itself.

    Raises:
        DataError: a folder can't be read, or something went away meanwhile.
    """
    try:
        if root.is_file():
            yield _found((root.name,), root.stat()), _bad_name(root.name)
        else:
            yield from _below(root)
    except OSError as error:
        raise unreadable(str(error.filename or root), error) from error


def _below(root: Path) -> Iterator[tuple[Found, str]]:
    """Not recursive: folders may be nested deeper than Python's stack."""
    stack: list[tuple[Names, Iterator[os.DirEntry[str]]]] = [((), _list(root))]
    while stack:
        above, rest = stack[-1]
        item = next(rest, None)
        if item is None:
            stack.pop()
            continue
        path = (*above, item.name)
        problem = _bad_name(item.name)
        if item.is_symlink():
            target = str(Path(item.path).readlink())
            yield Found(path=path, target=target), problem or _bad_link(target, len(above))
        elif item.is_dir(follow_symlinks=False):
            yield Found(path=path, folder=True), problem
            stack.append((path, _list(item.path)))
        elif item.is_file(follow_symlinks=False):
            yield _found(path, item.stat(follow_symlinks=False)), problem
        else:
            yield Found(path=path), problem or "is a socket, a pipe or a device"


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def token_of(status: os.stat_result) -> str:
    """Return what changes whenever a file's bytes do. The change time counts: a program can't set it back."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _list(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as items:
        return iter(sorted(items, key=lambda item: item.name))


def _found(path: Names, status: os.stat_result) -> Found:
    return Found(
        path=path,
        size=status.st_size,
        token=token_of(status),
        changed=status.st_ctime,
        executable=bool(status.st_mode & stat.S_IXUSR),
    )


def _bad_name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    return "" if is_name(name) else "has a name that is no file name"


def _bad_link(target: str, depth: int) -> str:
    return "" if stays_inside(target, depth) else f"is a link to {target!r}, which may lead out of the folder"


def _existing(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except OSError as error:
        parent = path.parent
        names = sorted(item.name for item in parent.iterdir()) if parent.is_dir() else []
        raise DataError(
            what=f"there is no {path}",
            why=f"the system says: {error.strerror or error}",
            fix=did_you_mean(path.name, names) if names else f"there is nothing in {parent}: correct the path",
            where=Place(file=str(path)),
        ) from error
