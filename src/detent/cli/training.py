"""A training as people watch it: the gate's table or its refusal, and which version it made."""

from __future__ import annotations

from rich.console import Console

from detent.cli.gate_screen import show
from detent.cli.told import FAILED, OK, REFUSED, Told, failures, tell_warnings
from detent.gate.render import table
from detent.loop.judging.explained import explain
from detent.loop.judging.judge import is_pass
from detent.loop.judging.judged import find_judged
from detent.loop.train import log_folder, train
from detent.loop.workspace import Workspace
from detent.pipeline.executors.protocol import Executor
from detent.pipeline.run import Order
from detent.store.clock import parse


def train_and_tell(ws: Workspace, console: Console, executor: Executor, order: Order) -> Told:
    """Train, judge and register, and print the verdict."""
    assert order.request is not None
    outcome = train(ws, order.request, executor=executor, progress=order.progress, how=order.how)
    until = outcome.datasets.until if outcome.datasets else None
    tell_warnings(console, outcome.datasets.checks if outcome.datasets else {})
    if outcome.verdict is None:
        logs = log_folder(ws, outcome.run.id)
        return Told(run=outcome.run, status=FAILED, said=failures(outcome.run, logs), until=until)
    if is_pass(outcome.verdict):
        console.print(table(outcome.verdict, width=console.width))
    else:
        show(explain(ws, find_judged(ws, outcome.verdict.id)))
    said = f"The gate says {outcome.verdict.decision}."
    if outcome.judged_in is not None:
        said = f"The same model from the same rows was judged in {outcome.judged_in}: {outcome.verdict.decision}."
    if outcome.version is not None:
        number = outcome.version.number
        unless = "" if outcome.judged_in is None else "unless it serves already, "
        said += f" It is version {number}; {unless}roll it out with: detent deploy {number}"
    ends = [parse(waiver.expires) for waiver in outcome.verdict.waivers]
    ends += [] if until is None else [until]
    status = OK if is_pass(outcome.verdict) else REFUSED
    return Told(run=outcome.run, status=status, said=said, until=min(ends, default=None))
