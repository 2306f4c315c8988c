"""Signatures over manifests and verdicts. Ed25519 is deterministic: the same key and bytes give the same signature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent.bundle import codec
from detent.bundle.files import MANIFEST_NAME, SIGNATURE_NAME, VERDICT_NAME
from detent.records.check import Verdict
from detent.store.atomic import write_atomic

_PURPOSE = b"detent verdict\n"  # a signature over a verdict can't be passed off as one over a manifest, or the reverse


def sign(folder: Path, key: Ed25519PrivateKey) -> str:
    """Write `manifest.sig` (hex) over the bytes of `manifest.json` and return it."""
    signature = key.sign((folder / MANIFEST_NAME).read_bytes()).hex()
    _put(folder / SIGNATURE_NAME, signature.encode())
    return signature


def seal(verdict: Verdict, key: Ed25519PrivateKey) -> Verdict:
    """Return the verdict with `signature` filled in, over everything else that it says."""
    return replace(verdict, signature=key.sign(sealed_bytes(verdict)).hex())


def sealed_bytes(verdict: Verdict) -> bytes:
    """Return the bytes that a verdict's signature covers."""
    return _PURPOSE + codec.verdict_to_json(replace(verdict, signature=""))


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Write `verdict.json` into the bundle's folder; it stands outside the manifest, which it is bound to by digest."""
    _put(folder / VERDICT_NAME, codec.verdict_to_json(verdict))


def _put(path: Path, data: bytes) -> None:
    """Write what is not there yet: a process that checks the folder meanwhile refuses files that it does not know."""
    if not (path.is_file() and path.read_bytes() == data):
        write_atomic(path, data)
