"""`detent monitor`: what is watched, what was found, and what it would take to find more."""

from __future__ import annotations

import click

from detent.cli.lazy import LazyGroup

# Subcommand -> where it is, and what it does.
COMMANDS = {
    "plan": ("monitor_plan:plan", "how often it may cry wolf, and the smallest shift that it will find, and when"),
    "show": ("monitor_plan:show", "what was found, newest last"),
    "report": ("monitor_report:report", "how things stand: quality, drift, labels, alerts, decisions"),
    "incident": ("monitor_report:incident", "how an alert came about and what came of it"),
    "card": ("monitor_report:card", "the model card of a version, with verdict, limits and cost"),
    "channels": ("monitor_report:channels", "where alerts go, and a test of it"),
    "rules": ("monitor_report:rules", "rules for Prometheus, which route what /metrics says"),
}


@click.group("monitor", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """What is watched, what was found, and what it would take to find more."""
