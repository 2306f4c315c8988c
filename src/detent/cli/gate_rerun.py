"""`detent gate rerun`: the same model on the same rows, by today's gate section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from detent.loop.judging.judged import Judged
    from detent.loop.judging.rejudge import Compared
    from detent.records.check import CheckResult, Verdict


@click.command("rerun")
@click.argument("name", metavar="VERSION|RUN|VERDICT")
@click.pass_obj
def rerun(folder: Path, name: str) -> None:
    """Judge a model again by today's gate section, beside today's champion, and print both verdicts.

    Nothing is registered and nothing taken back. Ends with status 1 when it does not pass now.
    """
    from detent.loop.judging.judge import is_pass
    from detent.loop.judging.judged import find_judged
    from detent.loop.judging.rejudge import compared, rejudge
    from detent.loop.workspace import open_workspace

    ws = open_workspace(folder)
    judged = find_judged(ws, name)
    now = rejudge(ws, judged)
    for line in rerun_lines(judged, now, compared(judged.verdict, now)):
        click.echo(line)
    raise SystemExit(0 if is_pass(now) else 1)


def rerun_lines(judged: Judged, now: Verdict, checks: tuple[Compared, ...]) -> Iterator[str]:
    """Yield both verdicts, and each check before and now."""
    before = judged.verdict
    what = f"version {judged.version.number} of {judged.run}" if judged.version else judged.run
    yield what
    for verdict, title in ((before, "before"), (now, "now")):
        yield f"{title:<6}  {verdict.judged_at[:16].replace('T', ' ')}  {verdict.decision}: {verdict.reason}"
    section = "the same as then" if before.policy_digest == now.policy_digest else "another one than then"
    champion = "the same as then" if before.champion_digest == now.champion_digest else "another one than then"
    yield f"the gate section is {section}, the champion {champion}"
    yield ""
    wide = max(len("check"), *(len(item.check) for item in checks))
    yield f"{'check':<{wide}}  {'before':<26}  now"
    for item in checks:
        mark = "   <- changed" if item.changed else ""
        yield f"{item.check:<{wide}}  {_told(item.before):<26}  {_told(item.now)}{mark}".rstrip()
    yield ""
    yield f"verdict {now.id[:12]}: detent gate explain {now.id[:12]}"
    yield from _ending(judged, now)


def _ending(judged: Judged, now: Verdict) -> Iterator[str]:
    if judged.version is not None and now.decision != "pass":
        yield f"Version {judged.version.number} stays registered: what it may do was decided by its own verdict."
    elif judged.version is None and now.decision == "pass":
        yield "It is not registered: `detent run` does that, if data and code are those of this run."


def _told(result: CheckResult | None) -> str:
    from detent.gate.numbers import cells

    if result is None:
        return "not asked"
    value = cells(result)[0]
    decision = f"{result.decision}, waived" if result.waiver else result.decision
    return decision if value == "-" else f"{decision} {value}"
