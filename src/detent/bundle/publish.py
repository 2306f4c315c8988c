"""Bundles through the blob store: every file is a blob, and the manifest's digest is the bundle's name."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from detent.bundle import codec
from detent.bundle.files import MANIFEST_NAME, SIGNATURE_NAME, manifest_digest
from detent.bundle.sign import write_verdict
from detent.bundle.verify import check_names, verify
from detent.errors import DetentError, Place, TamperedError
from detent.records.check import Verdict
from detent.store.atomic import sync_folder, write_atomic

if TYPE_CHECKING:  # fsspec takes 0.1 s to import, and a server that only loads folders does without it
    from detent.store.blobs import Blobs


def publish(folder: Path, blobs: Blobs) -> str:
    """Store every file of a bundle and return the digest of its manifest. The manifest goes last, so it never dangles.

    `manifest.sig` and `verdict.json` are not stored: their names don't follow from the manifest's digest. Whoever
    fetches gets them elsewhere (the gate stores the verdict; signing again gives the same signature).

    Raises:
        TamperedError: the folder is not what its manifest says.
    """
    manifest = verify(folder, None)
    for name, _ in manifest.files:
        blobs.put_file(folder / name)
    return blobs.put((folder / MANIFEST_NAME).read_bytes())


def fetch(
    digest: str, blobs: Blobs, cache: Path, *, signature: str | None = None, verdict: Verdict | None = None
) -> Path:
    """Return `cache/<digest>`, a verified folder with the published bundle; it is made when it is not there.

    `signature` and `verdict`, when given, are written as `manifest.sig` and `verdict.json`.

    Raises:
        StoreError: a blob is missing.
        TamperedError: a blob or a cached file is not what its digest says.
    """
    target = cache / digest
    new = not target.is_dir() and _build(digest, blobs, target)
    if signature is not None:
        write_atomic(target / SIGNATURE_NAME, signature.encode())
    if verdict is not None:
        write_verdict(target, verdict)
    if not new:
        verify(target, None)
    if manifest_digest(target) != digest:
        raise TamperedError(
            what=f"the cached bundle {digest[:12]} holds another bundle",
            why="its manifest has another digest than the folder's name",
            fix="delete the folder and fetch it again",
            where=Place(file=str(target)),
        )
    return target


def _build(digest: str, blobs: Blobs, target: Path) -> bool:
    """Make a verified folder; False when another process was faster."""
    data = blobs.get(digest)
    manifest = codec.manifest_from_json(data)
    check_names(target, manifest)  # before a name from outside becomes a path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".fetch."))
    try:
        for name, file_digest in manifest.files:
            write_atomic(temporary / name, blobs.get(file_digest))
        write_atomic(temporary / MANIFEST_NAME, data)
        verify(temporary, None)
        temporary.chmod(0o755)
        temporary.rename(target)  # the commit point; fails when the folder exists
        sync_folder(target.parent)
    except (OSError, DetentError):
        shutil.rmtree(temporary, ignore_errors=True)
        if not target.is_dir():  # else another process was faster, and its folder is as good
            raise
        return False
    return True
