"""A version -> a `.dvc` file and objects, as `dvc add` would have made them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from fsspec.spec import AbstractFileSystem

from detent.data.dvc.files import DIR, cache_folder, find_remote, repository
from detent.data.dvc.objects import open_objects
from detent.data.versions.entries import File, Folder, Link
from detent.data.versions.parallel import Progress, in_chunks, in_order, silent
from detent.data.versions.tree import Path as Names
from detent.data.versions.tree import listing, totals
from detent.errors import DataError, Place
from detent.store.atomic import unwritable, write_atomic
from detent.store.blobs import Blobs

PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    pointer: Path  # the `.dvc` file
    md5: str
    files: int
    objects: str  # where the objects are
    empty_folders: int  # that DVC can't keep


def export_dvc(
    root: Folder | File,
    blobs: Blobs,
    folder: Path,
    *,
    name: str,
    remote: str | None = None,
    progress: Progress = silent,
) -> Exported:
    """Write `folder/NAME.dvc` and the objects it needs, into the repository's cache or into a remote.

    With the cache, `dvc checkout` gives the files and `dvc push` shares them; with a remote (its name in the config,
    or a URL), `dvc pull` gives them. Files appear in the cache by reflink, hard link or copy.

    Raises:
        DataError: the folder is in no DVC repository, or the version holds links, which DVC does not keep.
        StoreError: the objects can't be written.
    """
    repo = repository(folder)
    if repo is None:
        raise DataError(
            what=f"{folder} is in no DVC repository",
            why="neither it nor a folder above it has a `.dvc` folder",
            fix="make one with `dvc init` (or `dvc init --no-scm`) and export again",
            where=Place(file=str(folder)),
        )
    target = _Target(None, str(cache_folder(repo)), blobs)
    if remote is not None:
        ((filesystem, place),) = open_objects([find_remote(repo, remote)]).stores
        target = _Target(filesystem, place, blobs)
    try:
        out, empty = _objects(root, target, progress)
        out["path"] = root.name if isinstance(root, File) else name
        pointer = folder / f"{out['path']}.dvc"
        write_atomic(pointer, yaml.safe_dump({"outs": [out]}, sort_keys=False).encode())
        if (repo / ".git").exists():
            _ignore(folder / ".gitignore", f"/{out['path']}")
    except OSError as error:
        raise unwritable(folder, error) from error
    return Exported(pointer=pointer, md5=out["md5"], files=totals(root)[0], objects=target.place, empty_folders=empty)


class _Target:
    """Where objects go: a cache folder of this machine (no filesystem), or a remote."""

    def __init__(self, filesystem: AbstractFileSystem | None, place: str, blobs: Blobs) -> None:
        self.place, self.blobs = place, blobs
        self._filesystem = filesystem

    def put(self, path: Names, file: File) -> tuple[Names, str, int]:
        """Write a file's object unless it is there, and return (path, md5, bytes)."""
        hasher = hashlib.md5(usedforsecurity=False)
        with self.blobs.open(file.digest) as stream:
            while piece := stream.read(PIECE):
                hasher.update(piece)
        md5 = hasher.hexdigest()
        target = self._path(md5)
        if self._filesystem is not None:
            if not self._has(target, file.size):
                self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._filesystem.put_file(str(self.blobs.path(file.digest)), target)
        elif not self._has(target, file.size):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(f"{target}.{threading.get_ident()}")
            self.blobs.materialise(file.digest, temporary, writable=False)
            temporary.replace(target)
        return path, md5, file.size

    def put_list(self, data: bytes) -> str:
        """Write the list of a folder's files and return its md5, which ends in `.dir`."""
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + DIR
        if self._filesystem is None:
            write_atomic(Path(self._path(md5)), data, mode=0o444)
        else:
            self._filesystem.makedirs(self._path(md5).rpartition("/")[0], exist_ok=True)
            self._filesystem.pipe_file(self._path(md5), data)
        return md5

    def _path(self, md5: str) -> str:
        return f"{self.place}/files/md5/{md5[:2]}/{md5[2:]}"

    def _has(self, path: str, size: int) -> bool:
        try:
            return (Path(path).stat().st_size if self._filesystem is None else self._filesystem.size(path)) == size
        except FileNotFoundError:
            return False


def _objects(root: Folder | File, target: _Target, progress: Progress) -> tuple[dict[str, Any], int]:
    """Write every object and return the output's fields, and how many folders were empty."""
    advance = progress("exporting", *totals(root))
    if isinstance(root, File):
        _, md5, size = target.put((root.name,), root)
        advance(1, size)
        executable = {"isexec": True} if root.executable else {}
        return {"md5": md5, "size": size, **executable, "hash": "md5"}, 0
    listed = []
    with closing(in_order(partial(_put_all, target), in_chunks(_files(root, target.blobs)))) as chunks:
        for chunk in chunks:
            for path, md5, size in chunk:
                listed.append({"md5": md5, "relpath": "/".join(path)})
                advance(1, size)
    listed.sort(key=lambda item: item["relpath"])
    md5 = target.put_list(json.dumps(listed, sort_keys=True).encode())  # these bytes are what DVC's md5 is of
    empty = sum(isinstance(entry, Folder) and entry.files == 0 for _, entry in listing(root, target.blobs))
    return {"md5": md5, "size": root.bytes, "nfiles": root.files, "hash": "md5"}, empty


def _put_all(target: _Target, files: list[tuple[Names, File]]) -> list[tuple[Names, str, int]]:
    return [target.put(path, file) for path, file in files]


def _files(root: Folder, blobs: Blobs) -> Iterator[tuple[Names, File]]:
    for path, entry in listing(root, blobs):
        if isinstance(entry, Link):
            raise DataError(
                what=f"the link `{'/'.join(path)}` can't be exported to DVC",
                why="DVC keeps files and folders only",
                fix="replace it by what it leads to (`cp -L`), add that version and export it",
            )
        if isinstance(entry, File):
            yield path, entry


def _ignore(path: Path, line: str) -> None:
    """Add a line to a `.gitignore` that does not have it: DVC keeps what Git must not."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line not in text.splitlines():
        end = "" if not text or text.endswith("\n") else "\n"
        write_atomic(path, f"{text}{end}{line}\n".encode())
