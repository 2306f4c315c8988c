"""Which runs read each version of the data, and which registered models came of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from detent.store.database import Reader
from detent.store.queries import load_queries

_SQL = load_queries("detent.loop.collect")


@dataclass(slots=True)
class Uses:
    """Who used a version, oldest first."""

    runs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)  # MODEL/NUMBER


def uses_of(db: Reader) -> dict[str, Uses]:
    """Return the uses of every version that a run was given, by the version's id."""
    models: dict[str, list[str]] = {}
    for row in db.rows(_SQL["versions"]):
        models.setdefault(row["run"], []).append(f"{row['model']}/{row['number']}")
    found: dict[str, Uses] = {}
    for row in db.rows(_SQL["runs"]):
        for id in {given["digest"] for given in json.loads(row["inputs"]).values()}:
            uses = found.setdefault(id, Uses())
            uses.runs.append(row["id"])
            uses.models += models.get(row["id"], ())
    return found
