"""`detent monitor`: what is watched, what was found, and what it would take to find more."""

from __future__ import annotations

from importlib import import_module

import click

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


class _Lazy(click.Group):
    """A group whose commands are imported when they are called, and described without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return getattr(import_module(f"detent.cli.{module}"), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group("monitor", cls=_Lazy)
def command() -> None:
    """What is watched, what was found, and what it would take to find more."""
