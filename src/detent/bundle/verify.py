"""Is this folder exactly what was signed, and has the gate let it through?"""

from __future__ import annotations

import re
from pathlib import Path

from detent.bundle import codec
from detent.bundle.files import (
    MANIFEST_NAME,
    MAX_FILE_BYTES,
    MAX_TEXT_BYTES,
    OUTSIDE,
    SIGNATURE_NAME,
    VERDICT_NAME,
    file_digest,
    list_files,
    required_files,
)
from detent.bundle.keys import genuine
from detent.bundle.sign import sealed_bytes
from detent.bundle.waiver import unearned
from detent.errors import Place, RefusedError, TamperedError
from detent.records.bundle import Manifest
from detent.records.check import PASS, Verdict
from detent.store.canonical import digest

_SAFE_PATH = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*"
)  # so no "..", no root, no hidden file
_DIGEST = re.compile(r"[0-9a-f]{64}")


def verify(folder: Path, public: bytes | None) -> Manifest:
    """Return the manifest after checking every file against it, and its signature when a public key is given.

    Raises:
        TamperedError: a file changed, is missing, is extra, is a link, or has a name that leads elsewhere; the manifest
            is not ours; the signature is missing or of another key. The error names the file.
    """
    data = _read(folder, MANIFEST_NAME, MAX_TEXT_BYTES)
    manifest = codec.manifest_from_json(data)
    if public is not None:
        signature = _read(folder, SIGNATURE_NAME, MAX_TEXT_BYTES).decode("ascii", "replace")
        if not genuine(signature, data, public):
            raise _tampered(
                folder, SIGNATURE_NAME, "is not the trusted key's signature over this manifest",
                "either the manifest was edited, or another key signed it",
            )  # fmt: skip
    check_names(folder, manifest)
    _check_listing(folder, manifest)
    for name, expected in manifest.files:
        path = folder / name
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _tampered(folder, name, "is too large", f"a file of a bundle may have {MAX_FILE_BYTES:,} bytes")
        if file_digest(path) != expected:
            raise _tampered(folder, name, "was changed", "its bytes no longer give the digest in the manifest")
    return manifest


def admit(folder: Path, public: bytes) -> tuple[Manifest, Verdict]:
    """Return manifest and verdict if this bundle may take traffic: verified, and passed by a verdict of the same key.

    Raises:
        TamperedError: see `verify`; or the verdict's seal is not the key's.
        RefusedError: there is no verdict, it does not say pass or says so without right, or is about another bundle.
    """
    manifest = verify(folder, public)
    if not (folder / VERDICT_NAME).is_file():
        raise _refused(folder, "it has no verdict", "run the gate on it (`detent run`)")
    verdict = codec.verdict_from_json(_read(folder, VERDICT_NAME, MAX_TEXT_BYTES))
    if not genuine(verdict.signature, sealed_bytes(verdict), public):
        raise _tampered(
            folder, VERDICT_NAME, "is not sealed by the trusted key", "it was edited, or it did not come from the gate"
        )
    if verdict.decision != PASS:
        raise _refused(folder, f"its verdict is `{verdict.decision}`: {verdict.reason}", "ship a model that passes")
    if unearned(verdict, public):
        raise _refused(folder, f"its verdict says pass, but {unearned(verdict, public)}", "ship a model that passes")
    if verdict.model_digest != digest((folder / MANIFEST_NAME).read_bytes()):
        raise _refused(
            folder,
            f"its verdict is about another bundle ({verdict.model_digest[:12]})",
            "judge this bundle (`detent run`); a verdict can't be carried over",
        )
    return manifest, verdict


def check_names(folder: Path, manifest: Manifest) -> None:
    """Raise TamperedError unless every name is a plain path inside the folder, listed once and in order."""
    names = [name for name, _ in manifest.files]
    for name, value in manifest.files:
        if len(name) > 200 or not _SAFE_PATH.fullmatch(name) or name in OUTSIDE or not _DIGEST.fullmatch(value):
            raise _tampered(
                folder, name[:200], "has no place in a manifest",
                "names are plain relative paths inside the folder, digests are sha256",
            )  # fmt: skip
    if names != sorted(set(names)):
        raise _tampered(folder, MANIFEST_NAME, "is not ours", "its files are not sorted, or one is listed twice")
    needed = required_files(manifest.predictor)
    for name in needed:
        if name not in names:
            why = f"a bundle of the predictor `{manifest.predictor}` holds {', '.join(needed)}"
            raise _tampered(folder, name, "is missing from the manifest", why)


def _check_listing(folder: Path, manifest: Manifest) -> None:
    try:
        present = set(list_files(folder)) - OUTSIDE
    except RefusedError as error:
        raise TamperedError(what=error.what, why=error.why, fix=error.fix, where=error.where) from error
    listed = {name for name, _ in manifest.files}
    for name in sorted(listed - present):
        raise _tampered(folder, name, "is missing", "the manifest lists it")
    for name in sorted(present - listed):
        raise _tampered(folder, name, "does not belong here", "the manifest does not list it")


def _read(folder: Path, name: str, limit: int) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise _tampered(folder, name, "is missing", "a signed bundle has it as a plain file")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _tampered(folder, name, "is too large", f"it may have {limit:,} bytes")
    return data


def _tampered(folder: Path, name: str, what: str, why: str) -> TamperedError:
    return TamperedError(
        what=f"`{name}` {what}",
        why=why,
        fix="take the bundle from the run that made it again; nothing was loaded",
        where=Place(file=str(folder / name)),
    )


def _refused(folder: Path, why: str, fix: str) -> RefusedError:
    return RefusedError(
        what="this bundle may not take traffic", why=why, fix=fix, where=Place(file=str(folder / VERDICT_NAME))
    )
