"""What DVC's small files say: which outputs a project has, and where their objects may lie."""

from __future__ import annotations

import configparser
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from detent.errors import DataError, Place

DIR = ".dir"  # how the md5 of a folder ends: it names a JSON list of the files in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file or folder that DVC keeps."""

    path: str  # relative to the file that names it
    md5: str  # ends in ".dir" for a folder
    legacy: bool  # written before DVC 3: the md5 of a text counts its line ends as those of Unix
    executable: bool = False

    @property
    def name(self) -> str:
        """The last part of its path."""
        return posixpath.basename(self.path.rstrip("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A place with objects."""

    name: str  # as in the config; "cache" for the local cache
    url: str  # a path, or a URL for fsspec
    options: Mapping[str, Any] = field(default_factory=dict)  # for fsspec


def read_outputs(path: Path) -> list[Output]:
    """Return the outputs that a `.dvc` file or a `dvc.lock` names.

    Raises:
        DataError: there is no such file, it is neither, or an output is kept in a way that can't be read here.
    """
    try:
        # As texts: an md5 may look like a number.
        plain = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  (makes no objects)
        outs = list(_outs(plain, path))
        if not outs:
            raise ValueError("it names no outputs")
        return [_output(out) for out in outs]
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            what=f"{path} can't be read as a DVC file",
            why=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            fix="name a `.dvc` file or a `dvc.lock` whose outputs DVC keeps by md5",
            where=Place(file=str(path)),
        ) from error


def repository(path: Path) -> Path | None:
    """Return the folder with `.dvc/` that a path belongs to, or None."""
    path = path.resolve()
    return next((folder for folder in (path, *path.parents) if (folder / ".dvc").is_dir()), None)


def places(root: Path) -> list[Remote]:
    """Return where a repository's objects may lie: the local cache, the default remote, then the other remotes."""
    config = _config(root / ".dvc")
    remotes = [
        _remote(section.removeprefix('remote "').removesuffix('"'), values, root / ".dvc")
        for section, values in config.items()
        if section.startswith('remote "')
    ]
    default = config.get("core", {}).get("remote")
    remotes.sort(key=lambda remote: remote.name != default)
    return [Remote(name="cache", url=str(cache_folder(root))), *remotes]


def cache_folder(root: Path) -> Path:
    """Return a repository's local cache."""
    return root / ".dvc" / _config(root / ".dvc").get("cache", {}).get("dir", "cache")


def _outs(plain: Any, path: Path) -> Iterator[Mapping[str, Any]]:
    if path.name == "dvc.lock":
        for stage in plain.get("stages", plain).values():
            if isinstance(stage, dict):
                yield from stage.get("outs", ())
    else:
        folder = plain.get("wdir", ".")
        for out in plain.get("outs", ()):
            yield out | {"path": posixpath.normpath(posixpath.join(folder, out["path"]))}


def _output(out: Mapping[str, Any]) -> Output:
    if "md5" not in out:
        kind = next((name for name in ("files", "etag", "checksum", "version_id") if name in out), "nothing")
        raise ValueError(f"`{out['path']}` is kept by {kind}, not by md5")
    md5 = str(out["md5"])
    check_md5(md5.removesuffix(DIR))
    return Output(path=str(out["path"]), md5=md5, legacy="hash" not in out, executable=out.get("isexec") == "true")


def check_md5(text: str) -> str:
    """Return an md5; its digits become a path, so anything else is refused with ValueError."""
    if len(text) != 32 or not all(letter in "0123456789abcdef" for letter in text):
        raise ValueError(f"`{text[:80]}` is no md5")
    return text


def _config(folder: Path) -> dict[str, dict[str, str]]:
    """Return sections of `.dvc/config`, overridden by `.dvc/config.local`."""
    merged: dict[str, dict[str, str]] = {}
    for name in ("config", "config.local"):
        path = folder / name
        if not path.is_file():
            continue
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string("\n".join(line.strip() for line in path.read_text(encoding="utf-8").splitlines()))
        except (configparser.Error, UnicodeDecodeError) as error:
            raise DataError(
                what=f"{path} can't be read",
                why=str(error).splitlines()[0],
                fix="mend it; `dvc config --list` must accept it too",
                where=Place(file=str(path)),
            ) from error
        for section in parser.sections():
            merged.setdefault(section.strip("'"), {}).update(parser[section])
    return merged


_S3 = {"access_key_id": "key", "secret_access_key": "secret", "session_token": "token", "profile": "profile"}


def _remote(name: str, values: Mapping[str, str], folder: Path) -> Remote:
    url = values.get("url", "")
    if "://" not in url:
        return Remote(name=name, url=str((folder / url).resolve()))  # relative to the config file
    options: dict[str, Any] = {}
    if url.startswith("s3://"):
        options = {ours: values[theirs] for theirs, ours in _S3.items() if theirs in values}
        client = {ours: values[theirs] for theirs, ours in (("endpointurl", "endpoint_url"), ("region", "region_name"))
                  if theirs in values}  # fmt: skip
        options |= {"client_kwargs": client} if client else {}
    return Remote(name=name, url=url, options=options)


def find_remote(root: Path, name: str) -> Remote:
    """Return a remote by its name in the config, or for a URL or path as it is.

    Raises:
        DataError: the config has no such remote.
    """
    known: Sequence[Remote] = places(root)[1:]
    for remote in known:
        if remote.name == name:
            return remote
    if "://" in name or "/" in name:
        return Remote(name=name, url=name)
    raise DataError(
        what=f"there is no DVC remote `{name}`",
        why=f"{root / '.dvc' / 'config'} has: {', '.join(remote.name for remote in known) or 'none'}",
        fix="name one of them, or give a URL",
    )
