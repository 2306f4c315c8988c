"""Names that point to versions. Moving one appends a row, so every past moment can be asked for."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime

from detent.errors import RefusedError
from detent.records.event import Fact
from detent.records.version import AliasChange
from detent.registry import versions
from detent.store import ledger
from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

PROTECTED = ("champion",)  # they decide who answers, so they can be moved but not taken away

_SQL = load_queries("detent.registry")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LIKE_A_VERSION = re.compile(r"v\d+")  # MLflow reads these as version numbers and refuses them


def set_alias(
    tx: Transaction, *, model: str, alias: str, number: int | None, actor: str, reason: str, now: datetime
) -> AliasChange | None:
    """Point an alias to a version, or to nothing, with the ledger event `alias.changed`.

    Returns None, and writes nothing, when it points there already.

    Raises:
        RefusedError: no such version, a bad name, or a protected alias would point to nothing.
    """
    if not _NAME.fullmatch(alias) or _LIKE_A_VERSION.fullmatch(alias) or alias == "latest":
        raise RefusedError(
            what=f"`{alias[:80]}` can't be an alias",
            why="an alias is lower case letters, digits, - and _, and must not look like a version",
            fix="use a name such as champion, challenger or canary",
        )
    if number is not None:
        versions.get(tx, model, number)
    elif alias in PROTECTED:
        raise RefusedError(
            what=f"the alias `{alias}` can't be taken away",
            why="it says who answers; taking it away would leave the endpoint without a model",
            fix="point it to another version (`detent rollback`)",
        )
    before = current(tx, model, alias)
    if before == number:
        return None
    last = tx.row(_SQL["last_change"], model=model)
    change = AliasChange(
        model=model,
        alias=alias,
        number=number,
        at=iso(now)
        if last is None
        else max(iso(now), last["at"]),  # a clock that was set back must not reorder history
        actor=actor,
        reason=reason,
    )
    tx.execute(_SQL["insert_change"], seq=1 if last is None else last["seq"] + 1, **asdict(change))
    payload = {"alias": alias, "number": number, "before": before, "reason": reason}
    ledger.append(tx, Fact(kind="alias.changed", subject=f"model:{model}", actor=actor, payload=payload), now)
    return change


def current(db: Reader, model: str, alias: str) -> int | None:
    """Return the version number that the alias points to, or None."""
    row = db.row(_SQL["current"], model=model, alias=alias)
    return None if row is None else row["number"]


def all_current(db: Reader, model: str) -> dict[str, int]:
    """Return every alias that points to a version, sorted by name."""
    return {row["alias"]: row["number"] for row in db.rows(_SQL["all_current"], model=model)}


def at(db: Reader, model: str, alias: str, when: datetime) -> int | None:
    """Return the version number that the alias pointed to at a moment, or None."""
    row = db.row(_SQL["at"], model=model, alias=alias, moment=iso(when))
    return None if row is None else row["number"]


def history(db: Reader, model: str) -> list[AliasChange]:
    """Return every change of the model's aliases, oldest first."""
    return [AliasChange(**row) for row in db.rows(_SQL["history"], model=model)]
