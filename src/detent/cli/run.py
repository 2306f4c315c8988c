"""`detent run`: the pipeline to a verdict, or nothing at all when nothing has changed."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("run")
@click.option("--why", is_flag=True, help="Say why each step ran, with the difference, or that nothing had changed.")
@click.option("--hermetic", is_flag=True, help="Let steps read only their arguments and what they declare.")
@click.option("--force", "forced", multiple=True, metavar="STEP", help="Run a step again and compare; `*` means all.")
@click.option("--executor", default="local", show_default=True, help="Where steps run: local, ray, or ray://host:port.")
@click.option("--workers", default=0, help="Processes of the local executor (default: one per core).")
@click.pass_obj
def command(folder: Path, why: bool, hermetic: bool, forced: tuple[str, ...], executor: str, workers: int) -> None:
    """Run the pipeline on everything known now, judge the candidate, and register it if the gate lets it in.

    Ends with status 0 for a pass (or a pipeline without a gate), 1 for a refusal, 2 for a failure.
    """
    from detent.loop.runs.unchanged import Asked, unchanged

    asked = Asked(hermetic=hermetic, executor=executor)
    answer = None if forced else unchanged(folder, asked)
    if answer is not None:
        for step in answer.steps if why else ():
            click.echo(f"  {step:20s} hit      unchanged")
        click.echo(answer.said)
        raise SystemExit(answer.status)

    from detent.cli.running import run_and_tell
    from detent.pipeline.schedule import How

    how = How(force=frozenset(forced), hermetic=hermetic)
    raise SystemExit(run_and_tell(folder, asked, how=how, workers=workers, why=why))
