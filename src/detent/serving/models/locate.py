"""Where the bundle of a version lies on this machine: a small index that the control plane writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from detent.bundle.pack import manifest_digest
from detent.errors import Place, RefusedError, TamperedError
from detent.serving.places import version_index
from detent.store.atomic import write_atomic

Locate = Callable[[str, int], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """One entry of the index."""

    digest: str  # digest of the bundle's manifest, as registered
    folder: str  # absolute path of the unpacked bundle


def write_index(state: Path, entries: Mapping[str, Located]) -> None:
    """Replace the index; keys are `<model>/<number>`."""
    write_atomic(version_index(state), msgspec.json.encode(dict(entries), order="sorted"))


def read_index(state: Path) -> dict[str, Located]:
    """Return the index; empty before the first version.

    Raises:
        TamperedError: the file is not what detent writes.
    """
    path = version_index(state)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Located])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise TamperedError(
            what="the index of versions can't be read",
            why=str(error),
            fix="deploy again: the index is written anew from the registry",
            where=Place(file=str(path)),
        ) from error


def locate_by_index(state: Path) -> Locate:
    """Return the function that finds a version's folder; it reads the index on every call.

    The function raises RefusedError when the version is not in the index, and TamperedError when the folder holds
    another bundle than the one that was registered under this number.
    """

    def locate(model: str, number: int) -> Path:
        entry = read_index(state).get(f"{model}/{number}")
        if entry is None:
            raise RefusedError(
                what=f"version {model}/{number} is not on this machine",
                why="the index of versions does not name it",
                fix=f"deploy it with `detent deploy {model}/{number}`",
                where=Place(file=str(version_index(state))),
            )
        folder = Path(entry.folder)
        if not folder.is_dir() or manifest_digest(folder) != entry.digest:
            raise TamperedError(
                what=f"the folder of {model}/{number} does not hold the registered bundle",
                why="the digest of its manifest differs from the one in the index of versions",
                fix="remove the folder and deploy again: the bundle is fetched anew from the blob store",
                where=Place(file=str(folder)),
            )
        return folder

    return locate
