"""A version -> files in a folder. What is there already stays, and nothing is lost that is not in the store."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from detent.data.versions.entries import Entry, File, Folder, Link
from detent.data.versions.local import hash_file, look, token_of
from detent.data.versions.memo import Cursor, Memo
from detent.data.versions.parallel import Advance, in_chunks, in_order
from detent.data.versions.source import Found
from detent.data.versions.tree import Path as Names
from detent.data.versions.tree import listing
from detent.errors import Place, RefusedError
from detent.store.atomic import unwritable
from detent.store.blobs import Blobs

SHOWN = 5
_UNFINISHED = re.compile(r"\.new\.\d+\.[0-9a-f]{16}")  # left by a checkout that was killed


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOut:
    """What a checkout did."""

    place: Path
    kept: int  # files that were right already
    removed: int
    written: Counter[str]  # files by how: reflink | hardlink | copy


@dataclass(slots=True)
class _Plan:
    """How a folder becomes the version."""

    write: list[tuple[Names, File]] = field(default_factory=list)
    links: list[tuple[Names, Link]] = field(default_factory=list)
    folders: list[Names] = field(default_factory=list)
    remove: list[Names] = field(default_factory=list)
    remove_folders: list[Names] = field(default_factory=list)
    lost: list[Names] = field(default_factory=list)  # what only exists here
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """How to check out."""

    blobs: Blobs
    memos: Path  # folder of memos: a file that is known there is not read again
    advance: Advance
    read_only: bool = False  # files may share the store's bytes by hard links
    force: bool = False  # give up what exists only in the target
    settle_seconds: float = 2.0  # as in an archive


def check_out(root: Folder | File, target: Path, how: Checkout) -> CheckedOut:
    """Make `target` hold a version and nothing else: a folder, or a file when the version is one file.

    A new folder appears as a whole or not at all. In a folder that exists, files that are right stay; others are
    replaced or removed one by one, each of them only if the store has its bytes, or with `force`.

    Raises:
        RefusedError: files in the target exist nowhere else; they are named, and nothing was changed.
        StoreError: a blob is missing, or the target can't be written.
        TamperedError: a blob is damaged.
    """
    target = target.absolute()
    if isinstance(root, File) and target.is_dir():
        target = target / root.name
    try:
        if isinstance(root, File):
            done = _one_file(root, target, how)
        elif os.path.lexists(target):
            done = _in_place(root, target, how)
        else:
            done = _anew(root, target, how)
        _remember(root, done.place, how)
    except OSError as error:
        raise unwritable(target, error) from error
    return done


def _anew(root: Folder, target: Path, how: Checkout) -> CheckedOut:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".detent-checkout."))
    try:
        plan = _Plan()
        written = _write(_filling(root, temporary, plan, how.blobs), temporary, how)
        _link(plan, temporary)
        temporary.chmod(0o755)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return CheckedOut(place=target, kept=0, removed=0, written=written)


def _filling(root: Folder, target: Path, plan: _Plan, blobs: Blobs) -> Iterator[tuple[Names, File]]:
    """Make folders as they come, put links aside for the end, and yield files."""
    for path, entry in listing(root, blobs):
        if isinstance(entry, Folder):
            target.joinpath(*path).mkdir()
        elif isinstance(entry, Link):
            plan.links.append((path, entry))
        else:
            yield path, entry


def _in_place(root: Folder, target: Path, how: Checkout) -> CheckedOut:
    plan = _plan(root, target, how)
    if plan.lost and not how.force:
        raise _would_lose(target, plan.lost)
    for path in plan.remove:
        target.joinpath(*path).unlink()
    for path in reversed(plan.remove_folders):
        target.joinpath(*path).rmdir()
    for path in plan.folders:
        target.joinpath(*path).mkdir(exist_ok=True)
    written = _write(iter(plan.write), target, how)
    _link(plan, target)
    how.advance(plan.kept, 0)
    return CheckedOut(place=target, kept=plan.kept, removed=len(plan.remove), written=written)


def _one_file(root: File, target: Path, how: Checkout) -> CheckedOut:
    if os.path.lexists(target):
        digest = hash_file(target) if target.is_file() and not target.is_symlink() else ""
        if digest == root.digest and os.access(target, os.X_OK) == root.executable:
            how.advance(1, root.size)
            return CheckedOut(place=target, kept=1, removed=0, written=Counter())
        if not how.force and not (digest and how.blobs.has(digest)):
            raise _would_lose(target.parent, [(target.name,)])
    target.parent.mkdir(parents=True, exist_ok=True)
    written = _write(iter([((target.name,), root)]), target.parent, how)
    return CheckedOut(place=target, kept=0, removed=0, written=written)


def _plan(root: Folder, target: Path, how: Checkout) -> _Plan:
    if target.is_symlink() or not target.is_dir():
        raise _would_lose(target.parent, [(target.name,)])
    plan = _Plan()
    memo = Memo(how.memos, str(target.resolve()))
    memo.close()
    known = Cursor(memo.lines())
    for path, have, want in _side_by_side(look(target), listing(root, how.blobs)):
        here = _kind(have)
        digest = ""
        if have is not None and here == "file":
            line = known.at(path)
            digest = line[1] if line is not None and line[0] == have.token else hash_file(target.joinpath(*path))
        if have is not None and _is_right(have, digest, want):
            plan.kept += isinstance(want, File)
            continue
        if have is not None:
            if have.folder or not isinstance(want, File):  # a file is replaced in one step
                (plan.remove_folders if have.folder else plan.remove).append(path)
            unknown = here == "file" and not how.blobs.has(digest) and not _UNFINISHED.fullmatch(path[-1])
            if unknown or here == "other":
                plan.lost.append(path)
        if isinstance(want, Folder):
            plan.folders.append(path)
        elif isinstance(want, Link):
            plan.links.append((path, want))
        elif want is not None:
            plan.write.append((path, want))
    return plan


def _kind(have: Found | None) -> str:
    if have is None or have.folder or have.target is not None:
        return "no bytes"
    return "file" if have.token else "other"  # a socket or a device


def _is_right(have: Found, digest: str, want: Entry | None) -> bool:
    if isinstance(want, Folder):
        return have.folder
    if isinstance(want, Link):
        return have.target == want.target
    return want is not None and (digest, have.executable) == (want.digest, want.executable)


def _side_by_side(
    have: Iterator[tuple[Found, str]], want: Iterator[tuple[Names, Entry]]
) -> Iterator[tuple[Names, Found | None, Entry | None]]:
    """Yield (path, what is there, what should be) by path; both come sorted."""
    there, here = next(have, None), next(want, None)
    while there is not None or here is not None:
        path = min(([there[0].path] if there else []) + ([here[0]] if here else []))
        one = there[0] if there is not None and there[0].path == path else None
        other = here[1] if here is not None and here[0] == path else None
        yield path, one, other
        there = next(have, None) if one is not None else there
        here = next(want, None) if other is not None else here


def _write(files: Iterator[tuple[Names, File]], target: Path, how: Checkout) -> Counter[str]:
    written: Counter[str] = Counter()
    with closing(in_order(partial(_place, target, how), in_chunks(files))) as chunks:
        for chunk in chunks:
            for used, size in chunk:
                written[used] += 1
                how.advance(1, size)
    return written


def _place(target: Path, how: Checkout, files: list[tuple[Names, File]]) -> list[tuple[str, int]]:
    done = []
    for path, file in files:
        place = target.joinpath(*path)
        writable = not how.read_only or file.executable  # a hard link would share its mode with the store
        used = how.blobs.materialise(file.digest, place, writable=writable)
        if file.executable:
            place.chmod(0o555 if how.read_only else 0o755)
        done.append((used, file.size))
    return done


def _link(plan: _Plan, target: Path) -> None:
    for path, link in plan.links:  # last, so that no file is ever written through a link
        target.joinpath(*path).symlink_to(link.target)


def _remember(root: Folder | File, place: Path, how: Checkout) -> None:
    """Write the memo of the target, so that adding it, or checking out again, reads no file twice."""
    memo = Memo(how.memos, str(place.resolve()))
    now = time.time()
    try:
        for path, entry in listing(root, how.blobs):
            if isinstance(entry, File):
                status = (place if isinstance(root, File) else place.joinpath(*path)).lstat()
                if status.st_ctime <= now - how.settle_seconds:
                    memo.remember(path, token_of(status), entry.digest)
        memo.keep()
    finally:
        memo.close()


def _would_lose(target: Path, lost: list[Names]) -> RefusedError:
    shown = ", ".join(repr("/".join(path)) for path in lost[:SHOWN])
    more = f" and {len(lost) - SHOWN:,} more" if len(lost) > SHOWN else ""
    return RefusedError(
        what=f"{len(lost):,} files in {target} exist nowhere else",
        why=f"a checkout would overwrite or remove {shown}{more}, and no version has their bytes",
        fix="add them with `detent data add`, move them away, or give them up with --force; nothing was changed",
        where=Place(file=str(target)),
    )
