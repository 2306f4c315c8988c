"""The whole model card of a registered version: what its bundle says, and what is known since it was made.

The card inside the bundle is part of what the gate judged, so it can't know the verdict. This one is drawn from the
bundle, the verdict, the ledger and the prices whenever somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detent.bundle.codec import manifest_from_json, profile_from_json, signature_from_json
from detent.errors import StoreError
from detent.gate import store as verdicts
from detent.gate.numbers import YES_OR_NO
from detent.gate.wording import limit, quantity
from detent.loop.champion import bundle_folder
from detent.loop.cost import run_cost
from detent.loop.report.story import sentence
from detent.loop.workspace import Workspace
from detent.monitor import store as monitor
from detent.monitor.episodes import UNJUDGED
from detent.records.check import PASS, REJECT, CheckResult, Verdict
from detent.records.event import Event
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.store import ledger

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
WORST = 5  # slices that are shown for each check
MOVES = ("rollout.opened", "rollout.promoted", "rollout.rolled_back", "rollout.called_back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a card: sentences, then a table."""

    title: str
    sentences: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card of one version."""

    title: str
    lead: str
    sections: tuple[Section, ...]


def card(ws: Workspace, number: int) -> Card:
    """Return the card of a version.

    Raises:
        RefusedError: there is no such version.
        StoreError: its bundle is not on this machine.
    """
    version = versions.get(ws.db, ws.model, number)
    verdict = verdicts.load(ws.db, version.verdict)
    events = list(ledger.read(ws.db))
    folder = bundle_folder(ws, version)
    if not folder.is_dir():
        raise StoreError(
            what=f"the bundle of version {number} is not on this machine",
            why=f"{folder.name[:12]} is not among the unpacked bundles",
            fix=f"`detent deploy {number}` unpacks it again, or restore the state folder from a backup",
        )
    manifest = manifest_from_json((folder / "manifest.json").read_bytes())
    signature = signature_from_json((folder / "signature.json").read_bytes())
    rows = profile_from_json((folder / "profile.json").read_bytes()).rows
    what = "the probability of class 1" if signature.output == "probability" else f"a {signature.output}"
    if signature.classes:
        what = f"a probability for each of {', '.join(signature.classes)}"
    sections = (
        Section(
            title="Where it comes from",
            sentences=(
                f"Made by run {version.run} on {manifest.created_at[:10]}, origin {version.origin}.",
                f"Trained on {rows:,} rows: data {manifest.data_digest[:12]}, code {manifest.code_digest[:12]}.",
                *(f"Parameter {name}: {value}." for name, value in manifest.params),
            ),
        ),
        _gate(verdict, events),
        *_slices(verdict),
        Section(title="Limits", sentences=tuple(_limits(verdict, signature.output))),
        _production(ws, version, events),
        *_cost(ws, version),
        Section(
            title="Inputs",
            head=("column", "kind", "may be missing"),
            rows=tuple((f.name, f.kind, "yes" if f.nullable else "no") for f in signature.inputs),
        ),
    )
    return Card(
        title=f"{version.model}, version {number}",
        lead=f"Predicts {manifest.label} ({manifest.task}): {what}.",
        sections=sections,
    )


def _gate(verdict: Verdict, events: Sequence[Event]) -> Section:
    said = next((e.seq for e in events if e.kind.startswith("verdict.") and e.payload["verdict"] == verdict.id), None)
    entry = "" if said is None else f" #{said}"
    others = "" if verdict.candidates == 1 else f" {verdict.candidates} candidates were judged on these rows so far."
    return Section(
        title="What the gate said",
        sentences=(f"{verdict.decision}: {verdict.reason}, on {verdict.judged_at[:10]}.{others}{entry}",),
        head=("check", "value", "bounds", "asked", "rows", "decision"),
        rows=tuple(_result(result) for result in verdict.results),
    )


def _result(result: CheckResult) -> tuple[str, ...]:
    bounds = ""
    if result.low is not None and result.high is not None:
        bounds = f"{quantity(result.kind, result.low)} to {quantity(result.kind, result.high)}"
    value = "" if result.value is None else quantity(result.kind, result.value)
    asked = "" if result.threshold is None or result.kind in YES_OR_NO else limit(result.kind, result.threshold)
    decision = result.decision + (f" ({result.stamp})" if result.stamp else "") + (", waived" if result.waiver else "")
    return result.check, value, bounds, asked, f"{result.rows:,}" if result.rows else "", decision


def _slices(verdict: Verdict) -> Iterator[Section]:
    """Yield parts of the rows of each check that looked at parts, those first that failed."""
    for result in verdict.results:
        known = [part for part in result.slices if part.metric is not None]
        if known:
            worst = sorted(known, key=lambda part: part.decision != REJECT)[:WORST]
            yield Section(
                title=f"Parts of the rows: {result.check}",
                head=("part", "rows", "value", "champion", "decision"),
                rows=tuple(
                    (
                        f"{part.column}={part.value}", f"{part.rows:,}", quantity(result.kind, part.metric or 0.0),
                        "" if part.champion is None else quantity(result.kind, part.champion), part.decision,
                    )
                    for part in worst
                ),
            )  # fmt: skip


def _limits(verdict: Verdict, output: str) -> Iterator[str]:
    """Yield what nobody should take for granted."""
    for result in verdict.results:
        if result.decision != PASS:
            yield f"{result.check}: {result.decision}, {result.reason}."
        if result.stamp:
            yield f"{result.check} passed as a rubber stamp: {result.stamp}."
        small = [f"{part.column}={part.value}" for part in result.slices if part.decision not in (PASS, REJECT)]
        if small:
            yield f"{result.check} says nothing about {', '.join(small[:WORST])}: too few rows."
    if output == "probability":
        yield "Its answer is a probability, not a decision: whoever uses it chooses where to cut."
    yield "It knows the world of its training data. Whether that still holds is what the monitor reports."


def _production(ws: Workspace, version: ModelVersion, events: Sequence[Event]) -> Section:
    about = [e for e in events if e.kind in MOVES and e.payload.get("candidate") == version.number]
    moves = [f"{e.time[:16].replace('T', ' ')}: {_moved(e)} #{e.seq}" for e in about]
    found = monitor.findings(ws.db, ws.project.serving.endpoint, kind="quality")
    measured = [f for f in found if f.version == version.number and f.statistic not in UNJUDGED and f.slice is None]
    return Section(
        title="In production",
        sentences=tuple(moves) or ("It has not been rolled out.",),
        head=("window up to", "metric", "value", "bounds", "rows") if measured else (),
        rows=tuple(
            (
                f.window_end[:10],
                f.statistic,
                f"{f.value:.3f}",
                "" if f.low is None or f.high is None else f"{f.low:.3f} to {f.high:.3f}",
                f"{f.rows:,}",
            )
            for f in measured
        ),
    )


def _moved(event: Event) -> str:
    return "its way to traffic began." if event.kind == "rollout.opened" else sentence(event)


def _cost(ws: Workspace, version: ModelVersion) -> Iterator[Section]:
    cost = run_cost(ws, version.run)
    if cost is None:
        return
    cpu = f", {cost.cpu_seconds:,.1f} CPU seconds" if cost.cpu_seconds else ""
    money = f"{cost.money:.4f} {ws.project.prices.currency}"
    yield Section(title="Cost", sentences=(f"Its run: {cost.wall_seconds:,.1f} s{cpu}, {money}.",))


def card_markdown(it: Card) -> str:
    """Return the card as Markdown."""
    lines = [f"# {it.title}", "", it.lead]
    for section in it.sections:
        lines += ["", f"## {section.title}", ""]
        lines += [f"- {_inline(sentence)}" for sentence in section.sentences]
        if section.rows:
            lines += [""] if section.sentences else []
            lines += [_row(section.head), _row(tuple("---" for _ in section.head)), *map(_row, section.rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_inline(cell) for cell in cells) + " |"


def _inline(text: str) -> str:
    """Return a text as one line that Markdown shows as it is: `<=` is no tag, `<b` is one."""
    return " ".join(_TAG.sub("&lt;", text.replace("|", "\\|")).split())
