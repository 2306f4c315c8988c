"""Numbered schema changes, applied once each and never edited afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from detent.errors import Place, StoreError
from detent.store.canonical import digest
from detent.store.database import Database, Reader, Transaction

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    room TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (room, name)
)
"""


def migrate(db: Database, packages: Sequence[str]) -> int:
    """Apply what is missing of every package's `schema/NNNN_name.sql` and return how many files were applied.

    Raises:
        StoreError: a file that was applied earlier has been edited since.
    """
    with db.transaction() as tx:
        tx.execute(_TABLE)
        done = {
            (row["room"], row["name"]): row["digest"] for row in tx.rows("SELECT room, name, digest FROM migrations")
        }
        return sum(_migrate_room(tx, package, done) for package in packages)


def is_current(reader: Reader, packages: Sequence[str]) -> bool:
    """Tell whether every package's schema changes have been applied."""
    if reader.row("SELECT name FROM sqlite_master WHERE name = 'migrations'") is None:
        return False
    done = {(row["room"], row["name"]) for row in reader.rows("SELECT room, name FROM migrations")}
    return all((package.rpartition(".")[2], file.name) in done for package in packages for file in _files(package))


def _files(package: str) -> list[Path]:
    # Found, not imported: a room's code may need libraries that take longer to load than all migrations to apply.
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    files = sorted((Path(spec.origin).parent / "schema").iterdir(), key=lambda file: file.name)
    return [file for file in files if file.name.endswith(".sql")]


def _migrate_room(tx: Transaction, package: str, done: dict[tuple[str, str], str]) -> int:
    room = package.rpartition(".")[2]
    applied = 0
    for file in _files(package):
        text = file.read_text(encoding="utf-8")
        known = done.get((room, file.name))
        if known is None:
            for statement in _statements(text):
                tx.execute(statement)
            tx.execute(
                "INSERT INTO migrations (room, name, digest) VALUES (:room, :name, :digest)",
                room=room, name=file.name, digest=digest(text.encode()),
            )  # fmt: skip
            applied += 1
        elif known != digest(text.encode()):
            raise StoreError(
                what=f"migration {room}/{file.name} was edited after it had been applied",
                why="databases that already ran it would differ from new ones",
                fix="restore the file and put the change into a new file with the next number",
                where=Place(file=file.name),
            )
    return applied


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";\n") if statement.strip(" ;\n")]
