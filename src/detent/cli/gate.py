"""`detent gate`: what the gate said and why, exceptions from it, and what it will ask."""

from __future__ import annotations

import click

from detent.cli.lazy import LazyGroup

# Subcommand -> where it is, and what it does.
COMMANDS = {
    "explain": ("gate_explain:explain", "what a verdict says, why, and what to do next, on one screen"),
    "plan": ("gate_plan:plan", "before training: what these rows can show, and how many rows each line takes"),
    "check": ("gate_plan:check", "what each line of the gate section will do, and what that takes"),
    "rerun": ("gate_rerun:rerun", "judge a model again by today's gate section, and print both verdicts"),
    "waive": ("gate_waive:waive", "answer by name, until a day, for one check that a model does not pass"),
    "waivers": ("gate_waive:waivers", "who answers for what, and until when"),
}


@click.group("gate", cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """What the gate said and why, exceptions from it, and what it will ask."""
