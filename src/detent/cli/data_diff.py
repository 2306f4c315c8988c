"""What `detent data diff` prints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from detent.cli.data_show import name_text, plain_version, size_text
from detent.data.versions.compare import Comparison
from detent.data.versions.diff import Change
from detent.data.versions.entries import File

if TYPE_CHECKING:
    from detent.data.versions.columns import ColumnChange
    from detent.data.versions.rows import TableDifference

SHOWN_FILES, SHOWN_COLUMNS = 10, 12
SEEN = 0.1  # population stability index from which a shift is marked; 0.25 is a large one (Siddiqi 2006)


def comparison(found: Comparison, *, as_json: bool) -> None:
    """Print a comparison."""
    if as_json:
        click.echo(json.dumps(_plain(found)))
        return
    click.echo(f"{found.old} ({found.old.created[:19]}) -> {found.new} ({found.new.created[:19]})")
    files = found.files
    if not files:
        click.echo("nothing changed: the contents are the same" + _only_folders(found))
        return
    counts = [
        (len(files.added), "added"),
        (len(files.removed), "removed"),
        (len(files.changed), "changed"),
        (len(files.renamed), "renamed"),
    ]
    grown = found.new.bytes - found.old.bytes
    said = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    click.echo(f"files: {said}; {'+' if grown >= 0 else '-'}{size_text(abs(grown))}")
    for mark, changes in (("+", files.added), ("-", files.removed), ("~", files.changed), (">", files.renamed)):
        _changes(mark, changes)
    for name, table in found.tables:
        _rows(name, table)
    if found.left_out:
        click.echo(f"and {found.left_out:,} more changed tables; compare one alone by adding it as a dataset")


def _changes(mark: str, changes: Sequence[Change]) -> None:
    for change in changes[:SHOWN_FILES]:
        before = f"{name_text(change.old_path)} -> " if change.old_path else ""
        sizes = [size_text(side.size) for side in (change.old, change.new) if isinstance(side, File)]
        size = " -> ".join(dict.fromkeys(sizes))
        click.echo(f"  {mark} {before}{name_text(change.path)}" + (f"  ({size})" if size else "  (link)"))
    if len(changes) > SHOWN_FILES:
        click.echo(f"  {mark} and {len(changes) - SHOWN_FILES:,} more")


def _rows(name: str, table: TableDifference) -> None:
    click.echo(f"table {name_text(name)}: {table.rows_before:,} -> {table.rows_after:,} rows")
    by = f"by {', '.join(table.key)}" if table.key else "as whole rows"
    changed = "" if table.rows_changed is None else f", {table.rows_changed:,} changed"
    click.echo(f"  rows {by}: {table.rows_added:,} added, {table.rows_removed:,} removed{changed}")
    if table.note:
        click.echo(f"  {table.note}")
    for column, kind in table.columns_added:
        click.echo(f"  + column {column} ({kind})")
    for column, kind in table.columns_removed:
        click.echo(f"  - column {column} ({kind})")
    for column, before, after in table.columns_retyped:
        click.echo(f"  ~ column {column}: {before} -> {after}")
    if table.cells_changed:
        cells = ", ".join(f"{column} in {count:,}" for column, count in table.cells_changed[:SHOWN_COLUMNS])
        click.echo(f"  changed rows differ in: {cells}")
    if table.columns:
        _columns(table.columns)


def _columns(changes: Sequence[ColumnChange]) -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("  column", "nulls", "mean", "least", "most", "PSI"):
        table.add_column(head, overflow="fold")
    for change in changes[:SHOWN_COLUMNS]:
        distance = "" if change.distance is None else f"{change.distance:.3f}"
        mark = " !" if (change.distance or 0.0) >= SEEN else ""
        table.add_row(
            f"  {change.name}",
            _moved(*(f"{100 * share:.3g} %" for share in change.nulls)),
            _moved(*("" if mean is None else f"{mean:.6g}" for mean in change.mean)),
            _moved(*(_short(value) for value in change.least), same=""),
            _moved(*(_short(value) for value in change.most), same=""),
            distance + mark,
        )
    Console(highlight=False, markup=False).print(table)
    if len(changes) > SHOWN_COLUMNS:
        click.echo(f"  and {len(changes) - SHOWN_COLUMNS:,} more columns, which moved less; all with --json")


def _moved(before: str, after: str, *, same: str | None = None) -> str:
    return (before if same is None else same) if before == after else f"{before} -> {after}"


def _short(value: str | None) -> str:
    if value is None:
        return ""
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value[:19]  # a time, to the second


def _only_folders(found: Comparison) -> str:
    return "" if found.old.id == found.new.id else ", but for empty folders or the name of the file"


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "old": plain_version(found.old),
        "new": plain_version(found.new),
        "files": {
            what: [_plain_change(change) for change in getattr(found.files, what)]
            for what in ("added", "removed", "changed", "renamed")
        },
        "tables": {name: dataclasses.asdict(table) for name, table in found.tables},
        "tables_left_out": found.left_out,
    }


def _plain_change(change: Change) -> dict[str, Any]:
    plain: dict[str, Any] = {"path": change.path}
    if change.old_path:
        plain["old_path"] = change.old_path
    for side, entry in (("old", change.old), ("new", change.new)):
        if isinstance(entry, File):
            plain[side] = {"digest": entry.digest, "bytes": entry.size, "executable": entry.executable}
        elif entry is not None:
            plain[side] = {"target": entry.target}
    return plain
