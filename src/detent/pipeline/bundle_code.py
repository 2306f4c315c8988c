"""The project's code as one stored folder: what another machine, or a later day, runs instead of the working copy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from detent.pipeline.codecs.files import unpack
from detent.pipeline.codecs.manifest import Manifest, read_manifest, write_manifest
from detent.pipeline.nodes import Graph
from detent.pipeline.workspace import Workspace

_NO_CODE = frozenset({"__pycache__", "site-packages", "node_modules"})


def bundle_code(graph: Graph, workspace: Workspace) -> str:
    """Store the project's Python files, `detent.yaml` and the files that steps declare; return the list's digest."""
    folder = workspace.folder.resolve()
    patterns = dict.fromkeys(pattern for node in graph.nodes for pattern in node.options.files)
    declared = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path for path in [*code_files(folder), *declared]}
    digests = workspace.blobs.put_many(files.values())
    return write_manifest(Manifest(files=dict(sorted(zip(files, digests, strict=True)))), workspace.blobs)


def unbundle_code(digest: str, folder: Path, workspace: Workspace) -> None:
    """Write stored code into a folder.

    Raises:
        StoreError: a part of it is missing from the store.
    """
    unpack(read_manifest(digest, workspace.blobs), folder, workspace.blobs, writable=True)


def code_files(folder: Path) -> Iterator[Path]:
    """Give the project's Python files and `detent.yaml`; environments and hidden folders are left out."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and name not in _NO_CODE and not (here / name / "pyvenv.cfg").exists()
        )  # fmt: skip
        for name in sorted(files):
            if name.endswith(".py") or (here == folder and name == "detent.yaml"):
                yield here / name
