"""Names of stored values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detent.errors import TamperedError

PARQUET, PANDAS, ARROW, NPY = "parquet", "pandas", "arrow", "npy"  # frames of Polars, pandas, pyarrow; arrays
JSON, FOLDER, FILE, PICKLE = "json", "folder", "file", "pickle"
LIST, TREE = "list", "tree"  # values that hold others: one by one, or in the leaves of a JSON text
KINDS = (PARQUET, PANDAS, ARROW, NPY, JSON, FOLDER, FILE, PICKLE, LIST, TREE)
FORMATS = "2"  # of all stored forms; raised when equal values are to be written differently from now on


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFrame:
    """A frame that lies in the blob store, in one or several Parquet parts."""

    digest: str  # of the whole, such as a snapshot's id; it decides whether a step that reads the frame runs again
    parts: tuple[str, ...]  # digests of the Parquet blobs, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A value in the blob store."""

    digest: str  # of the stored form; equal values of one kind have equal digests
    kind: str  # how it is stored: one of KINDS
    type: str = ""  # "module:class" of every class that opening it needs, between spaces; "": none
    parts: tuple[str, ...] = ()  # blobs that hold it, in order; () means the one blob named by `digest`
    items: tuple[Artifact, ...] = ()  # the items of a list, the leaves of a tree

    @property
    def blobs(self) -> tuple[str, ...]:
        """Digests of the blobs that hold it and its items; what manifests list is not among them."""
        own = self.parts or (() if self.kind == LIST else (self.digest,))
        return own + tuple(name for item in self.items for name in item.blobs)

    @property
    def types(self) -> tuple[str, ...]:
        """The "module:class" of every class that is needed to open it, each once."""
        inside = [name for item in self.items for name in item.types]
        return tuple(dict.fromkeys([*self.type.split(), *inside]))


def artifact_to_json(artifact: Artifact) -> dict[str, Any]:
    """Return plain JSON; empty fields are left out."""
    plain: dict[str, Any] = {"digest": artifact.digest, "kind": artifact.kind}
    if artifact.type:
        plain["type"] = artifact.type
    if artifact.parts:
        plain["parts"] = list(artifact.parts)
    if artifact.items:
        plain["items"] = [artifact_to_json(item) for item in artifact.items]
    return plain


def artifact_from_json(plain: Mapping[str, Any]) -> Artifact:
    """Return what `artifact_to_json` wrote.

    Raises:
        TamperedError: it is no artifact.
    """
    try:
        return _artifact(plain)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise TamperedError(
            what="a stored value's description can't be read",
            why=f"{type(error).__name__}: {str(error)[:200]}",
            fix="run the step again that made the value; if this comes back, restore the database from a backup",
        ) from error


def _artifact(plain: Mapping[str, Any]) -> Artifact:
    artifact = Artifact(
        digest=plain["digest"],
        kind=plain["kind"],
        type=plain.get("type", ""),
        parts=tuple(plain.get("parts", ())),
        items=tuple(_artifact(item) for item in plain.get("items", ())),
    )
    texts = (artifact.digest, artifact.type, *artifact.parts)
    if artifact.kind not in KINDS or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"kind {artifact.kind!r}, digest {artifact.digest!r}")
    return artifact
