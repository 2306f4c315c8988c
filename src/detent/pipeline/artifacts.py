"""Names of stored values."""

from __future__ import annotations

from dataclasses import dataclass

PARQUET, NPY, JSON, FOLDER = "parquet", "npy", "json", "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFrame:
    """A frame that lies in the blob store, in one or several Parquet parts."""

    digest: str  # of the whole, such as a snapshot's id; it decides whether a step that reads the frame runs again
    parts: tuple[str, ...]  # digests of the Parquet blobs, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A value in the blob store."""

    digest: str  # of the stored form; equal values of one kind have equal digests
    kind: str  # how it is stored: parquet | npy | json | folder
    type: str = ""  # "module:class" that opens it (folders, dataclasses); "" for plain values
    parts: tuple[str, ...] = ()  # blobs that hold it, in order; () means the one blob named by `digest`

    @property
    def blobs(self) -> tuple[str, ...]:
        """Digests of the blobs that hold it."""
        return self.parts or (self.digest,)
