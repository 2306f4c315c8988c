"""Files and folders on disk <-> manifests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from detent.errors import DataError, Place
from detent.pipeline.codecs.manifest import Manifest, check_name
from detent.pipeline.codecs.scratch import new_folder
from detent.store.atomic import unwritable
from detent.store.blobs import Blobs


def store_folder(folder: Path, blobs: Blobs, *, given_up: bool, type: str = "") -> Manifest:
    """Store every file below a folder, streamed; `given_up` ones are moved, not copied.

    Raises:
        DataError: it holds something else than files and folders, or a name that other systems don't take.
        StoreError: a file can't be read, or the store can't be written.
    """
    found: dict[str, Path] = {}
    empty: list[str] = []
    pending = [folder]
    while pending:
        current = pending.pop()
        entries = _entries(current)
        if not entries and current != folder:
            empty.append(_name(current, folder))
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif entry.is_file(follow_symlinks=False):
                found[_name(path, folder)] = path
            else:
                raise _refused(path, "it is a symbolic link, a pipe or a device: no other machine would find the same")
    names = sorted(found)
    digests = store_files([found[name] for name in names], blobs, given_up=given_up)
    return Manifest(files=dict(zip(names, digests, strict=True)), empty=tuple(sorted(empty)), type=type)


def store_files(paths: Sequence[Path], blobs: Blobs, *, given_up: bool) -> list[str]:
    """Store files, streamed, and return their digests in order. Those that are given up are moved into the store.

    A second name for each is moved, so that the file stays where it is: a step may return it twice. A file that has
    other names already is copied, for whoever writes to it by one of them would change the store.
    """
    if not given_up:
        return blobs.put_many(paths)
    folder = new_folder("give")
    try:
        second = [_second_name(path, folder / str(number)) for number, path in enumerate(paths)]
        moved = iter(blobs.put_many([name for name in second if name is not None], move=True))
        copied = iter(blobs.put_many([path for path, name in zip(paths, second, strict=True) if name is None]))
        return [next(copied if name is None else moved) for name in second]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _second_name(path: Path, target: Path) -> Path | None:
    try:
        if path.stat().st_nlink != 1:
            return None
        target.hardlink_to(path)
    except OSError:
        return None  # a filesystem without links, or a file that vanished, of which the store will tell
    return target


def unpack(manifest: Manifest, folder: Path, blobs: Blobs, *, writable: bool) -> None:
    """Write a manifest's files into a folder; with `writable=False` they may be links into the store.

    Raises:
        StoreError: a blob is missing, or the disk is full.
        TamperedError: a blob is damaged.
    """
    for name, digest in manifest.files.items():
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(target, error) from error
        blobs.materialise(digest, target, writable=writable)
    for name in manifest.empty:
        (folder / name).mkdir(parents=True, exist_ok=True)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _refused(folder, f"it can't be read: {error.strerror or error}") from error


def _name(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    try:
        check_name(name)
    except ValueError as error:
        raise _refused(path, str(error)) from error
    return name


def _refused(path: Path, why: str) -> DataError:
    return DataError(
        what=f"{path.name!r} can't be part of an output",
        why=why,
        fix="write ordinary files with ordinary names, in folders",
        where=Place(file=str(path)),
    )
