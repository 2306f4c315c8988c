"""The progress of a replay: one line per thing that happens, and a bar that names the virtual day."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from detent.loop.workspace import Workspace


class Progress:
    """Shows a replay to whoever watches; without a terminal, lines only."""

    def __init__(self, console: Console, ws: Workspace) -> None:
        self._console, self._ws = console, ws
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("predictions"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._month = ""

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, text: str) -> None:
        """Show one thing that happened, with its virtual time."""
        self._console.print(f"[dim]{self._ws.now():%Y-%m-%d %H:%M}[/dim]  {text}", soft_wrap=True, markup=True)

    def watch(self, date: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, description=date, completed=done, total=total)
        if not self._console.is_terminal and date[:7] != self._month:
            self._month = date[:7]
            self._console.print(f"{date}  {done:,} of {total:,} predictions")
