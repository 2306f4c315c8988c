"""What a bundle's model may do that data may not: the part of the project's policy that travels with it, signed."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from detent.bundle.files import file_digest, list_files
from detent.errors import Place, RefusedError
from detent.records.project import PLAIN_TYPES, Trust
from detent.store.canonical import canonical, digest_of

NAME = "trust.json"
MAX_BYTES = 1 << 20


def write_trust(folder: Path, trust: Trust) -> None:
    """Write `trust.json` into a folder that becomes a bundle."""
    (folder / NAME).write_bytes(canonical(msgspec.to_builtins(trust)))


def read_trust(folder: Path) -> Trust:
    """Return what the bundle was allowed when it was made.

    Raises:
        RefusedError: the file is missing or not ours, or it allows a type that would allow everything.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            trust = msgspec.json.decode(file.read(MAX_BYTES), type=Trust, strict=True)
    except (OSError, msgspec.DecodeError) as error:
        raise RefusedError(
            what=f"`{NAME}` of the bundle can't be read",
            why=str(error)[:300],
            fix="make the bundle again: detent import",
            where=Place(file=NAME),
        ) from error
    check_types(trust.types, NAME)
    return trust


def check_types(types: tuple[str, ...], file: str) -> None:
    """Refuse types of Python's own library: with `os.system` or `builtins.eval` a list would allow everything.

    Raises:
        RefusedError: with the name.
    """
    for name in types:
        if "." not in name or (name.partition(".")[0] in sys.stdlib_module_names and name not in PLAIN_TYPES):
            raise RefusedError(
                what=f"the type `{name[:100]}` can't be trusted",
                why="functions and classes of Python itself run anything; a model's types come from its libraries",
                fix="take it off `trust.types` in detent.yaml, and don't load this model",
                where=Place(file=file, field="trust.types"),
            )


def folder_digest(folder: Path) -> str:
    """Return the digest of a model that is a folder, by names and bytes; of one file, of its bytes.

    Raises:
        RefusedError: there is a link or a device in it.
    """
    if folder.is_file():
        return file_digest(folder)
    return digest_of([[name, file_digest(folder / name)] for name in list_files(folder)])
