"""The Ed25519 key that signs bundles and verdicts, kept in a folder that only its owner reads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from detent.errors import Place, RefusedError, TamperedError
from detent.store.atomic import sync_folder, unwritable, write_atomic

PRIVATE_NAME = "signing.key"  # 32 raw bytes in hex
PUBLIC_NAME = "signing.pub"  # 32 raw bytes in hex; may be copied to every server


def load_or_create(folder: Path) -> Ed25519PrivateKey:
    """Return the folder's private key; the first caller makes it, and of several at once one wins.

    Raises:
        RefusedError: the file is not a key.
        StoreError: the folder can't be written.
    """
    path = folder / PRIVATE_NAME
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path)
        if path.stat().st_mode & 0o777 != 0o600:  # nothing is written on a read-only disk when all is well
            path.chmod(0o600)
    except OSError as error:
        raise unwritable(path, error) from error
    key = Ed25519PrivateKey.from_private_bytes(_read_hex(path))
    public = folder / PUBLIC_NAME
    text = public_bytes(key).hex().encode()
    if not public.exists() or public.read_bytes() != text:
        write_atomic(public, text)
    return key


def load(folder: Path) -> Ed25519PrivateKey:
    """Return the folder's private key; a missing one is never made anew: what it signed would be worth nothing.

    Raises:
        TamperedError: the key is gone.
        RefusedError: the file is not a key.
    """
    path = folder / PRIVATE_NAME
    if not path.exists():
        raise TamperedError(
            what="the signing key of this state is gone",
            why="versions and verdicts were signed with it, and a new key would make none of them genuine",
            fix=f"restore {folder} from a backup; else begin a new state: move {folder.parent} away and run again",
            where=Place(file=str(path)),
        )
    return load_or_create(folder)


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of the public key."""
    return key.public_key().public_bytes_raw()


def load_public(folder: Path) -> bytes:
    """Return the public key that stands beside the private one.

    Raises:
        RefusedError: there is none, or the file is not a key.
    """
    return _read_hex(folder / PUBLIC_NAME)


def genuine(signature: str, message: bytes, public: bytes) -> bool:
    """True when the hex signature is the key's over these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature.strip()), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _create(path: Path) -> None:
    # Written aside with mode 0600 and then linked: the name never points to half a key or to a readable one, and a link
    # that exists is not replaced, so two processes end up with one key.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink(missing_ok=True)
    sync_folder(path.parent)


def _read_hex(path: Path) -> bytes:
    try:
        raw = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise _no_key(path, "there is no such file") from error
    except ValueError as error:
        raise _no_key(path, "it is not hexadecimal text") from error
    if len(raw) != 32:
        raise _no_key(path, f"it holds {len(raw)} bytes, a key has 32")
    return raw


def _no_key(path: Path, why: str) -> RefusedError:
    return RefusedError(
        what="the signing key can't be read",
        why=why,
        fix="restore the key from a backup; a new key makes every signed bundle unloadable until it is signed again",
        where=Place(file=str(path)),
    )
