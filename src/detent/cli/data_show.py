"""What `detent data` prints: short tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from detent.data.versions.archive import Added
from detent.data.versions.checkout import CheckedOut
from detent.data.versions.parallel import Advance, silent
from detent.data.versions.parallel import Progress as Begin
from detent.data.versions.sweep import Patience, Pile
from detent.data.versions.version import Version
from detent.loop.collect.collect import Collected
from detent.loop.collect.uses import Uses

SHOWN = 10  # names in a cell or list before "and N more"
_EVERY = 0.1  # seconds between two updates of the bar
_WHOLE = ("version", "newest", "when", "size", "blobs")  # columns that are useless in two lines
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Begin]:
    """Show a bar on the terminal's error stream while the block runs; nothing when there is no terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield silent
        return
    columns = (
        SpinnerColumn(),  # it turns while one large file is read, which is one step of the bar
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]:,}/{task.fields[all_files]:,} files"),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, auto_refresh=True) as bars:

        def begin(what: str, files: int, size: int) -> Advance:
            return _Bar(bars, bars.add_task(what, total=size or None, files=0, all_files=files))

        yield begin


@contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[None]:
    """Show that something goes on while the block runs."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


class _Bar:
    """Adds up what is done and moves a bar now and then: drawing costs more than a small file."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task
        self._files = self._bytes = 0
        self._drawn = 0.0

    def __call__(self, files: int, size: int) -> None:
        self._files += files
        self._bytes += size
        now = time.monotonic()
        if now - self._drawn >= _EVERY:
            self._drawn = now
            self._bars.update(self._task, completed=self._bytes, files=self._files)


def added(done: Added, *, as_json: bool) -> None:
    """Print what adding did."""
    version = done.version
    if as_json:
        plain = {"new": done.new, "read_files": done.read_files, "read_bytes": done.read_bytes}
        click.echo(json.dumps(plain | {"pointer": str(done.pointer)} | plain_version(version)))
        return
    if not done.new:
        click.echo(f"{version}: nothing changed since {version.created[:19]}, so no version was added")
    else:
        click.echo(f"{version}: {_contents(version)}")
    click.echo(f"read {done.read_files:,} files, {size_text(done.read_bytes)}; pointer: {done.pointer}")


def imported(done: Sequence[tuple[Version, bool]], *, as_json: bool) -> None:
    """Print what an import added."""
    for version, new in done:
        if as_json:
            click.echo(json.dumps({"new": new} | plain_version(version)))
        else:
            click.echo(f"{version}: {_contents(version)}" + ("" if new else "; unchanged, no version was added"))


def checked_out(version: Version, done: CheckedOut, *, as_json: bool) -> None:
    """Print what a checkout did."""
    if as_json:
        plain = {"version": version.id, "place": str(done.place), "kept": done.kept, "removed": done.removed}
        click.echo(json.dumps(plain | {"written": dict(done.written)}))
        return
    written = ", ".join(f"{count:,} by {how}" for how, count in sorted(done.written.items())) or "none"
    click.echo(f"{done.place} holds {version}: {_contents(version)}")
    click.echo(f"files written: {written}; right already: {done.kept:,}; removed: {done.removed:,}")


def datasets(found: Sequence[tuple[str, Sequence[Version]]], *, as_json: bool) -> None:
    """Print every dataset with its newest version."""
    if as_json:
        for name, versions in found:
            click.echo(json.dumps({"dataset": name, "versions": len(versions), "newest": plain_version(versions[-1])}))
        return
    if not found:
        click.echo("there are no datasets; add one with: detent data add PATH")
        return
    table = _table("dataset", "versions", "newest", "when", "contents")
    for name, versions in found:
        newest = versions[-1]
        table.add_row(name, str(len(versions)), newest.id[:12], newest.created[:16], _contents(newest))
    _print(table)


def history(
    versions: Sequence[Version],
    *,
    tags: Mapping[str, str],
    uses: Mapping[str, Uses],
    gone: Collection[str],
    as_json: bool,
) -> None:
    """Print versions, newest first."""
    named = {version.id: [tag for tag, id in tags.items() if id == version.id] for version in versions}
    table = _table("version", "when", "who", "what", "contents", "used by")
    for version in reversed(versions):
        used = uses.get(version.id, Uses())
        if as_json:
            extra = {"tags": named[version.id], "runs": used.runs, "models": used.models}
            click.echo(json.dumps(plain_version(version) | extra | {"collected": version.id in gone}))
            continue
        name = version.id[:12] + "".join(f"\n@{tag}" for tag in named[version.id])
        what = version.message or f"from {version.source}"
        contents = "collected" if version.id in gone else _contents(version)
        who = version.author or "run"
        table.add_row(name, version.created[:16], who, what, contents, _few([*used.models, *used.runs]))
    if not as_json:
        _print(table)


def collected(done: Collected, patience: Patience, *, really: bool, as_json: bool) -> None:
    """Print what a collection found and did."""
    found = done.sweep
    if as_json:
        plain = {
            "kept": {reason: dataclasses.asdict(pile) for reason, pile in found.kept.items()},
            "young": dataclasses.asdict(found.young),
            "buried": [list(item) for item in found.buried],
            "due": [list(item) for item in found.due],
            "deleted": [list(item) for item in done.deleted],
            "neighbours": [dataclasses.asdict(neighbour) for neighbour in done.neighbours],
        }
        click.echo(json.dumps(plain))
        return
    table = _table("what", "blobs", "size", "why")
    for reason, pile in found.kept.items():
        _pile(table, "stays", pile, reason)
    _pile(table, "stays", found.young, f"stored within {_time(patience.grace_seconds)}; not needed yet")
    later = f"not needed; deleted by `gc --delete` after {_time(patience.wait_seconds)}, if that is still so"
    _pile(table, "noted" if really else "would be noted", _piled(found.buried), later)
    due = f"not needed, and found so more than {_time(patience.wait_seconds)} ago"
    _pile(table, "deleted" if really else "would go", _piled(done.deleted if really else found.due), due)
    _print(table)
    for neighbour in done.neighbours:
        click.echo(f"shared with {neighbour.name}, whose needs are known as of {neighbour.written[:19]}")
    if not really and (found.buried or found.due):
        click.echo("this was a dry run; nothing was noted or deleted. Do it with --delete")


def plain_version(version: Version) -> dict[str, Any]:
    """Return a version as JSON; `version` is its id."""
    schema = version.schema
    return {
        "dataset": version.dataset,
        "version": version.id,
        "kind": version.kind,
        "parent": version.parent,
        "created": version.created,
        "author": version.author,
        "message": version.message,
        "source": version.source,
        "as_of": version.as_of,
        "files": version.files,
        "bytes": version.bytes,
        "rows": None if schema is None else schema.rows,
        "columns": None if schema is None else [list(column) for column in schema.columns],
    }


def size_text(size: float) -> str:
    """Return bytes as people read them: 20.0 GB."""
    for unit in _UNITS[:-1]:
        if abs(size) < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} {_UNITS[-1]}"


def name_text(path: str) -> str:
    """Return a path as one line: what can't be printed is escaped."""
    return path if path.isprintable() else repr(path)


def _contents(version: Version) -> str:
    parts = [f"{version.schema.rows:,} rows"] if version.schema is not None else []
    files = f"{version.files:,} file" + ("s" if version.files != 1 else "")
    return ", ".join([*parts, files, size_text(version.bytes)])


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _piled(items: Sequence[tuple[str, int]]) -> Pile:
    return Pile(blobs=len(items), bytes=sum(size for _, size in items))


def _pile(table: Table, what: str, pile: Pile, reason: str) -> None:
    if pile.blobs:
        table.add_row(what, f"{pile.blobs:,}", size_text(pile.bytes), reason)


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    return table


def _print(table: Table) -> None:
    Console(highlight=False, markup=False).print(table)
