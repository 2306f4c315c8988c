"""`detent gate explain`: one verdict on one screen, for a pull request, a page or a machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("explain")
@click.argument("name", metavar="[VERDICT|VERSION|RUN]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--markdown", is_flag=True, help="Print Markdown, as for a pull request.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page that needs nothing else.")
@click.pass_obj
def explain(folder: Path, name: str | None, as_json: bool, markdown: bool, page: Path | None) -> None:
    """What a verdict says, why, and what to do next; the newest one when none is named."""
    if as_json + markdown + (page is not None) > 1:
        raise click.UsageError("choose one of --json, --markdown and --html")
    from detent.loop.judging.explained import explain as collect
    from detent.loop.judging.judged import find_judged
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    told = collect(ws, find_judged(ws, name))
    if as_json:
        from detent.gate.render import to_json

        click.echo(to_json(told))
    elif markdown:
        from detent.gate.render_markdown import markdown as rendered

        click.echo(rendered(told), nl=False)
    elif page is not None:
        from detent.cli.paper import write_page
        from detent.gate.page import page as rendered

        write_page(page, rendered(told))
    else:
        from detent.cli.gate_screen import show

        show(told)
