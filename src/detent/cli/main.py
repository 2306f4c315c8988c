"""`detent`: finds the command and shows errors. Imports nothing heavy, so that `--help` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from detent import __version__
from detent.cli.lazy import LazyGroup
from detent.errors import DetentError

# Command -> what it does. The file of the same name holds it as `command`.
COMMANDS = {
    "new": "make a project that runs, with its own test of the whole loop",
    "run": "run the pipeline to a verdict; a passing candidate is registered",
    "plan": "what a run would do with each step, and why",
    "accept": "say that a change of a step's code does not matter",
    "reproduce": "do a run again and compare every step byte by byte",
    "data": "versions of data: add, log, diff, checkout, tag, gc, import, export",
    "lineage": "where a model comes from, and what came of a dataset",
    "scrub": "read stored bytes again and move damaged ones aside",
    "import": "bring a model from elsewhere: a file, an MLflow model; the same gate judges it",
    "gate": "what the gate said and why: explain; exceptions: waive; what it will ask: plan, check",
    "deploy": "roll a registered version out",
    "rollout": "plan, start, prolong and list rollouts",
    "why": "why a rollout went as it did, recomputed",
    "rollback": "go back to the previous champion at once",
    "drill": "rehearse a rollback under load and measure it",
    "keys": "API keys: add, list, revoke",
    "up": "serve and keep watch on this machine",
    "serve": "answer on one more machine, as the shared database says",
    "hosts": "what other hosts answered and could not be taken: aside, retake",
    "reload": "replace the serving processes of `detent up`, without a lost request",
    "replay": "ask a version what was asked before, and compare the answers",
    "expire": "remove predictions that are older than the project keeps them",
    "monitor": "what the monitor found, and what it would take to find more",
    "status": "who serves, what is rolling out, what is open",
    "log": "the ledger, newest last",
    "at": "what served at a moment, judged by whom, moved by whom and why",
    "verify": "find any edited, removed or reordered row of ledger and registry",
    "simulate": "replay history through the live loop under a virtual clock",
    "label": "what was true about answers: list, set, import, aside",
    "trigger": "decisions about retraining: list, explain, fire, answer",
    "cost": "what trainings and answers cost, at your prices",
    "sabotage": "ship a known-bad candidate, to see that it is stopped",
}
_FILES = {"import": "import_model"}  # commands whose name can't be a file's


_TABLE = {name: (f"{_FILES.get(name, name)}:command", text) for name, text in COMMANDS.items()}


@click.group(cls=LazyGroup, table=_TABLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="detent")
@click.option(
    "-C",
    "--project",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Project folder (default: the current one).",
)
@click.pass_context
def cli(ctx: click.Context, folder: Path) -> None:
    """Bad models cannot reach production; good ones get there and stay fresh."""
    ctx.obj = folder


def main() -> None:
    """Run the command line; a DetentError becomes its text and its exit status, never a stack trace."""
    try:
        cli(standalone_mode=False, prog_name="detent")
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except DetentError as error:
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(str(error), err=True)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
