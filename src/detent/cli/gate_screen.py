"""One verdict on the terminal."""

from __future__ import annotations

import shutil

import click

from detent.gate.explanation import Explanation
from detent.gate.render_screen import screen
from detent.records.check import INCONCLUSIVE, PASS, REJECT

_COLOURS = {PASS: "green", REJECT: "red", INCONCLUSIVE: "yellow"}


def show(told: Explanation) -> None:
    """Print the screen, its first line in the colour of the decision."""
    lines = screen(told, width=shutil.get_terminal_size((100, 40)).columns)
    click.secho(lines[0], fg="yellow" if told.waivers else _COLOURS[told.decision], bold=True)
    for line in lines[1:]:
        click.echo(line)
