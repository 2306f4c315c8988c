"""An object on any filesystem that fsspec knows: S3, GCS, Azure, SFTP, memory ..."""

from __future__ import annotations

import json
from typing import Any

import fsspec

from detent.data.sources.protocol import Reading, absent, only_databases, refused, silent, unreachable
from detent.errors import DetentError, MissingExtraError, Place
from detent.records.project import Source

# What filesystems call the things that change with an object's contents; the size alone says nothing.
_SIGNS = (
    "ETag", "etag", "VersionId", "version_id", "generation", "md5", "md5Hash", "checksum", "mtime", "LastModified",
    "last_modified", "updated", "created", "ino",
)  # fmt: skip
_SIZES = ("size", "Size")


def open_reader(source: Source) -> Object:
    """Return the reader of a URL.

    Raises:
        MissingExtraError: the URL's kind needs a package that is not installed.
        DataError: nobody knows this kind of URL.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(source.source)
    except ImportError as error:
        raise MissingExtraError(
            what=f"dataset `{source.name}` needs a package that is not installed",
            why=str(error).splitlines()[0],
            fix="install the fsspec package for this kind of URL, for example `pip install s3fs` for s3://",
            where=Place(file="detent.yaml", line=source.line, field=f"data.{source.name}.source"),
        ) from error
    except ValueError as error:
        raise refused(source, str(error), "check the URL's beginning, such as s3:// or https://") from error
    return Object(source, filesystem, str(path))


class Object:
    """One object. Its version is what the filesystem says of it, asked before and after its bytes are read."""

    def __init__(self, source: Source, filesystem: Any, path: str) -> None:
        self._source, self._filesystem, self._path = source, filesystem, path

    def version(self) -> str:
        """Return ETag, version, size and times, as far as the filesystem has them."""
        version = _version(self._info())
        if not version:
            raise silent(self._source)
        return version

    def read(self) -> Reading:
        """Download the object; what changed meanwhile, or is shorter than it says, is not taken."""
        before = self._info()
        try:
            data = self._filesystem.cat_file(self._path)
        except Exception as error:
            raise self._explained(error) from error
        after, size = self._info(), next((before[name] for name in _SIZES if name in before), None)
        if _version(before) != _version(after):
            raise unreachable(self._source, "the object changed while it was read")
        if size is not None and size != len(data):
            raise unreachable(self._source, f"{len(data):,} of {size:,} bytes arrived")
        return Reading(content=data, version=_version(after))

    def ask(self, question: str) -> object:
        """An object can't be asked."""
        del question
        raise only_databases(self._source)

    def _info(self) -> dict[str, Any]:
        try:
            self._filesystem.invalidate_cache()
            return self._filesystem.info(self._path)
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> DetentError:
        if isinstance(error, FileNotFoundError):
            return absent(self._source)
        why = (str(error).splitlines() or [type(error).__name__])[0]
        if isinstance(error, PermissionError):
            return refused(self._source, why, "check your rights there and the credentials in the environment")
        return unreachable(self._source, why)


def _version(info: dict[str, Any]) -> str:
    signs = {name: str(info[name]) for name in _SIGNS if info.get(name) is not None}
    if not signs:
        return ""
    sizes = {name: str(info[name]) for name in _SIZES if info.get(name) is not None}
    return json.dumps({**signs, **sizes}, sort_keys=True)
