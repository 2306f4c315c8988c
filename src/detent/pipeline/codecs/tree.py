"""Plain values and records as JSON; lists and trees when frames, files or models are in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from detent.errors import DataError
from detent.pipeline.artifacts import JSON, LIST, TREE, Artifact
from detent.pipeline.codecs.form import LEAF, Form, Leaf, encoded, read
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.frame import Digest, framed_digest
from detent.pipeline.gather import gather
from detent.store.blobs import Blobs

Store = Callable[[Leaf], Artifact]


def dump(form: Form, blobs: Blobs, store: Store) -> Artifact:
    """Store a value in its form; `store` stores a leaf.

    The value itself may be a leaf. A list with leaves is stored item by item, so that a fan-out can go over it.

    Raises:
        Unfit: a text or a number in it has no place in JSON.
    """
    return _dump(form.plain, form, blobs, store)


def load(artifact: Artifact, blobs: Blobs, leaf: Callable[[Artifact], Any]) -> Any:
    """Return the value of a JSON text or a tree; `leaf` opens an item."""
    data = blobs.get(artifact.parts[0] if artifact.kind == TREE and artifact.parts else artifact.digest)
    leaves = [leaf(item) for item in artifact.items]  # outside: an error of a class's own load is no damage
    try:
        return read(json.loads(data), leaves.__getitem__)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, ArithmeticError) as error:
        raise unreadable(artifact, error) from error


def plain_value(artifact: Artifact, blobs: Blobs) -> Any:
    """Return a stored plain value (None, a number, a text, a list or dict of them) without importing anything.

    Raises:
        DataError: it is no plain value: opening it may need a class.
        StoreError: it is missing.
        TamperedError: it is damaged.
    """
    found = _parsed(artifact, blobs) if artifact.kind == JSON else {LEAF: 0}
    if not _is_plain(found):
        raise DataError(
            what=f"a value stored as {artifact.kind} is no plain one",
            why="it has to be known before any code of the project is loaded",
            fix="return a bool, a number or a text as an output of its own",
        )
    return found


def items_of(artifact: Artifact, blobs: Blobs) -> list[Any] | None:
    """Return the items of a stored list without opening them; None when it is no list.

    Plain ones (None, numbers, texts, lists and dicts of them) are given as values, all others as artifacts, which are
    stored for that: no class has to be imported, so whoever plans a fan-out loads no user code.
    """
    if artifact.kind == LIST:
        return list(artifact.items)
    if artifact.kind != JSON:
        return None
    found = _parsed(artifact, blobs)
    if type(found) is not list:
        return None
    return [item if _is_plain(item) else _json(item, blobs) for item in found]


def _parsed(artifact: Artifact, blobs: Blobs) -> Any:
    data = blobs.get(artifact.digest)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise unreadable(artifact, error) from error


def _dump(plain: Any, form: Form, blobs: Blobs, store: Store) -> Artifact:
    if type(plain) is dict and plain.keys() == {LEAF}:
        return store(form.leaves[plain[LEAF]])
    if not form.leaves:
        return _json(plain, blobs) if form.named else Artifact(digest=blobs.put(encoded(plain)), kind=JSON)
    inside: list[int] = []
    own = _renumbered(plain, inside)
    if not inside:
        return _json(own, blobs)
    if type(plain) is list:
        return gather([_dump(item, form, blobs, store) for item in plain])
    items = tuple(store(form.leaves[at]) for at in inside)
    text = blobs.put(encoded(own))
    digest = framed_digest(["tree", Digest(text), [(item.kind, item.type, Digest(item.digest)) for item in items]])
    return Artifact(digest=digest, kind=TREE, type=_classes(own), parts=(text,), items=items)


def _json(plain: Any, blobs: Blobs) -> Artifact:
    return Artifact(digest=blobs.put(encoded(plain)), kind=JSON, type=_classes(plain))


def _renumbered(plain: Any, inside: list[int]) -> Any:
    """Return a part of a form with leaves counted from 0; their numbers in the whole form gather in `inside`."""
    if type(plain) is list:
        return [_renumbered(item, inside) for item in plain]
    if type(plain) is not dict:
        return plain
    if plain.keys() == {LEAF}:
        inside.append(plain[LEAF])
        return {LEAF: len(inside) - 1}
    return {key: _renumbered(item, inside) for key, item in plain.items()}


def _classes(plain: Any) -> str:
    """Return the classes that a form names, between spaces: reading the value runs their code."""
    found: set[str] = set()
    pending = [plain]
    while pending:
        part = pending.pop()
        if type(part) is dict:
            named = part.get("$record") or part.get("$enum")
            found.update(named[:1] if named else [])
            pending.extend(part.values())
        elif type(part) is list:
            pending.extend(part)
    return " ".join(sorted(found))


def _is_plain(item: Any) -> bool:
    if type(item) is list:
        return all(map(_is_plain, item))
    if type(item) is dict:
        return all(not key.startswith("$") and _is_plain(part) for key, part in item.items())
    return True
