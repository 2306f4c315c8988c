"""Names of blobs, and the errors about single blobs."""

from __future__ import annotations

from pathlib import PurePosixPath

from detent.errors import Place, StoreError, TamperedError

_DIGITS = frozenset("0123456789abcdef")


def is_digest(text: str) -> bool:
    """True for 64 hexadecimal digits in lower case."""
    return len(text) == 64 and _DIGITS.issuperset(text)


def name_of(digest: str) -> str:
    """Return a blob's path below its store, `ab/cdef...`.

    Raises:
        StoreError: it is no digest.
    """
    if not is_digest(digest):
        raise StoreError(
            what=f"`{digest[:80]}` is no digest",
            why="blobs are named by 64 hexadecimal digits, so that no name can leave the store's folder",
            fix="give the digest as it was printed",
        )
    return f"{digest[:2]}/{digest[2:]}"


def digest_of_name(path: str) -> str | None:
    """Return the digest of a path that ends in `ab/cdef...`; None when it is no blob's."""
    parts = PurePosixPath(path).parts[-2:]
    digest = "".join(parts)
    return digest if len(parts) == 2 and len(parts[0]) == 2 and is_digest(digest) else None


def damaged(digest: str, place: str) -> TamperedError:
    """Return the error for bytes that don't give their digest."""
    return TamperedError(
        what=f"blob {digest[:12]} is damaged",
        why="its bytes no longer give its digest: the disk failed or somebody edited the file",
        fix="`detent scrub` moves it aside; then run the step that made it again, or restore it from a backup",
        where=Place(file=place),
    )


def absent(digest: str, place: str) -> StoreError:
    """Return the error for a blob that is not there."""
    return StoreError(
        what=f"blob {digest[:12]} is missing",
        why="the store has no file of that name",
        fix="run the step that made it again, or restore it from a backup",
        where=Place(file=place),
    )
