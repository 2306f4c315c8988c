"""A version -> plain files behind a URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

from fsspec.spec import AbstractFileSystem

from detent.data.versions.entries import File, Folder, Link
from detent.data.versions.parallel import Progress, in_chunks, in_order, silent
from detent.data.versions.remote import open_url
from detent.data.versions.tree import listing, totals
from detent.errors import DataError, Place, RefusedError
from detent.store.blobs import Blobs


def export_url(root: Folder | File, blobs: Blobs, url: str, *, force: bool = False, progress: Progress = silent) -> int:
    """Upload a version's files below a URL and return how many. Object stores keep no modes and no empty folders.

    Raises:
        RefusedError: something is at the URL already, and `force` does not say to add to it.
        DataError: the version holds links, which an object store can't keep; or the URL can't be written.
    """
    filesystem, place = open_url(url)
    place = place.rstrip("/")
    advance = progress("uploading", *totals(root))
    try:
        filesystem.invalidate_cache()
        if filesystem.exists(place) and not force:
            raise RefusedError(
                what=f"there is something at {url}",
                why="files of the version would mix with it",
                fix="export to an empty place, or add to it with --force",
                where=Place(file=url),
            )
        count = 0
        work = partial(_upload, filesystem, blobs)
        with closing(in_order(work, in_chunks(_files(root, blobs, place)))) as chunks:
            for chunk in chunks:
                for size in chunk:
                    count += 1
                    advance(1, size)
        return count
    except OSError as error:
        raise DataError(
            what=f"{url} can't be written",
            why=(str(error).splitlines() or [type(error).__name__])[0],
            fix="check its access rights and the connection, and export again",
            where=Place(file=url),
        ) from error


def _files(root: Folder | File, blobs: Blobs, place: str) -> Iterator[tuple[str, File]]:
    for path, entry in listing(root, blobs):
        if isinstance(entry, Link):
            raise DataError(
                what=f"the link `{'/'.join(path)}` can't be exported to a URL",
                why="an object store keeps files only",
                fix="export to a folder of this machine, or replace the link by what it leads to",
            )
        if isinstance(entry, File):
            yield (f"{place}/{'/'.join(path)}" if isinstance(root, Folder) else place), entry


def _upload(filesystem: AbstractFileSystem, blobs: Blobs, files: list[tuple[str, File]]) -> list[int]:
    for place, file in files:
        filesystem.makedirs(place.rpartition("/")[0], exist_ok=True)
        filesystem.put_file(str(blobs.path(file.digest)), place)
    return [file.size for _, file in files]
