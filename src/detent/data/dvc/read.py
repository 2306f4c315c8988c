"""DVC's outputs -> trees in the blob store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detent.data.dvc.files import DIR, Output, check_md5, places, read_outputs, repository
from detent.data.dvc.objects import Objects, fetch, open_objects
from detent.data.versions.archive import Archive, keep_version
from detent.data.versions.entries import File, Folder, is_name
from detent.data.versions.parallel import Progress, in_chunks, in_order, silent
from detent.data.versions.store import check_name
from detent.data.versions.tree import Path as Names
from detent.data.versions.tree import TreeWriter
from detent.data.versions.version import Version
from detent.errors import DataError, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    path: Names
    md5: str


def import_dvc(
    archive: Archive, path: Path, *, name: str | None = None, out: str | None = None, progress: Progress = silent
) -> list[tuple[Version, bool]]:
    """Add every output of a `.dvc` file or `dvc.lock` as a version of a dataset; return (version, is it new).

    A dataset is called like its output, without the ending of a file; `name` calls the one output otherwise, `out`
    picks it by its path. Objects are taken from the local cache or a remote in `.dvc/config`, whichever has them first.

    Raises:
        DataError: the file names no outputs, or more than one for one `name`, or an object is nowhere.
        TamperedError: an object does not give its md5.
    """
    outputs = read_outputs(path)
    if out is not None:
        outputs = [output for output in outputs if output.path == out] or _no_output(path, outputs, out)
    if name is not None and len(outputs) > 1:
        raise DataError(
            what=f"{path} names {len(outputs)} outputs, and one name is given",
            why=", ".join(output.path for output in outputs[:10]),
            fix="pick one with --out, or leave --name away: each is called like its path",
            where=Place(file=str(path)),
        )
    root = repository(path.parent)
    if root is None:
        raise DataError(
            what=f"{path} stands in no DVC repository",
            why="no folder above it has a `.dvc` folder, so nobody knows where its objects are",
            fix="name a file inside the repository",
            where=Place(file=str(path)),
        )
    objects = open_objects(places(root))
    imported = []
    for output in outputs:
        tree = _tree(output, objects, archive, progress)
        called = check_name(name or (output.name if output.md5.endswith(DIR) else output.name.partition(".")[0]))
        imported.append(
            keep_version(
                archive,
                tree,
                dataset=called,
                message=f"imported from DVC: {output.path}",
                source=f"{path}: {output.path} {output.md5}",
                kind="data.imported",
            )
        )
    return imported


def _tree(output: Output, objects: Objects, archive: Archive, progress: Progress) -> Folder | File:
    digest, size = fetch(objects, output.md5, archive.blobs, legacy=output.legacy, scratch=archive.scratch)
    if not output.md5.endswith(DIR):
        return File(name=output.name, size=size, digest=digest, executable=output.executable)
    listed = _listed(archive.blobs.get(digest), output)
    advance = progress(output.path, len(listed), 0)
    work = partial(_fetch, objects, archive, output.legacy)
    writer = TreeWriter(archive.blobs)
    above: Names = ()
    with closing(in_order(work, in_chunks(listed))) as chunks:
        for chunk in chunks:
            for path, entry in chunk:
                for folder in _opened(above, path[:-1]):
                    writer.add(folder, None)
                above = path[:-1]
                writer.add(path, entry)
                advance(1, entry.size)
    return writer.finish()


def _fetch(objects: Objects, archive: Archive, legacy: bool, listed: list[_Listed]) -> list[tuple[Names, File]]:
    done = []
    for item in listed:
        digest, size = fetch(objects, item.md5, archive.blobs, legacy=legacy, scratch=archive.scratch)
        done.append((item.path, File(name=item.path[-1], size=size, digest=digest)))
    return done


def _listed(data: bytes, output: Output) -> list[_Listed]:
    """Return the files of a folder's list, sorted like a tree."""
    try:
        listed = [_Listed(path=_names(item["relpath"]), md5=check_md5(item["md5"])) for item in json.loads(data)]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            what=f"DVC's list of the folder `{output.path}` can't be read",
            why=str(error),
            fix="add the folder again with `dvc add`",
        ) from error
    return sorted(listed, key=lambda item: item.path)


def _names(text: str) -> Names:
    names = tuple(text.split("/"))
    if not all(is_name(name) for name in names):
        raise ValueError(f"`{text}` is no path inside a folder")
    return names


def _opened(above: Names, folder: Names) -> Iterator[Names]:
    """Yield the folders that are entered on the way from one file's folder to the next's."""
    shared = 0
    while shared < min(len(above), len(folder)) and above[shared] == folder[shared]:
        shared += 1
    return (folder[: depth + 1] for depth in range(shared, len(folder)))


def _no_output(path: Path, outputs: list[Output], out: str) -> list[Output]:
    raise DataError(
        what=f"{path} has no output `{out}`",
        why="it names " + ", ".join(f"`{output.path}`" for output in outputs[:10]),
        fix="give the path as it stands there",
        where=Place(file=str(path)),
    )
