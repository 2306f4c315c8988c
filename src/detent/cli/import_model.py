"""`detent import`: bring a model that was trained elsewhere."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import")
@click.argument("source")
@click.option("--inputs", default="", metavar="A,B,C", help="The model's inputs in its order, if it has no names.")
@click.option("--tracking", default=None, metavar="URI", help="MLflow server (default: as MLflow is configured).")
@click.pass_obj
def command(folder: Path, source: str, inputs: str, tracking: str | None) -> None:
    """Make a bundle of SOURCE, judge it like any candidate, and register it if the gate lets it in.

    SOURCE is `models:/name/3` or `runs:/ID/model` of MLflow, an .onnx, LightGBM .txt, XGBoost .json or .ubj,
    .safetensors, .skops or .pt2 file, a remote.json, or the folder of an MLflow model. Pickles and pyfunc folders are
    programs: they run confined, and only if detent.yaml allows their digest.

    It is judged on the rows of the latest `detent run`. Ends with status 0 for a pass, 1 for a refusal by the gate.
    """
    from rich.console import Console

    from detent.cli.gate_screen import show
    from detent.cli.told import OK, REFUSED
    from detent.gate.render import table
    from detent.loop.imports.import_model import import_model
    from detent.loop.judging.explained import explain
    from detent.loop.judging.judged import find_judged
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    names = [name.strip() for name in inputs.split(",") if name.strip()]
    imported = import_model(ws, source, inputs=names, tracking=tracking)
    console = Console(highlight=False)
    if imported.version is None:
        show(explain(ws, find_judged(ws, imported.verdict.id)))
    else:
        console.print(table(imported.verdict, width=console.width))
    console.print(f"bundle {imported.candidate.digest[:12]} ({imported.candidate.run}). ", end="")
    if imported.version is None:
        console.print(f"The gate says {imported.verdict.decision}; it was not registered.", soft_wrap=True)
        raise SystemExit(REFUSED)
    number = imported.version.number
    console.print(f"It is version {number}; roll it out with: detent deploy {number}", soft_wrap=True)
    raise SystemExit(OK)
