"""What is said about each kind of thing in a lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from detent.records.lineage import Node
from detent.store.clock import parse

_NAMED = 6  # names in a list
_LONGEST_REASON = 150  # characters


def describe(node: Node, role: str = "", *, reads: Sequence[str] = (), alone: bool = False) -> Text:
    """Return one or two lines about a node; `role` is what it is to the node that it hangs from, unless it is alone."""
    facts: Mapping[str, Any] = node.facts
    label = node.id.partition(":")[2] if alone and node.kind == "step" else node.label
    head, tail, small = _TELL[node.kind](label, facts, role)
    text = Text.assemble((head, "bold"), tail)
    if node.kind == "step":
        small = "; ".join(part for part in (f"reads {_names(reads)}" if reads else "", small) if part)
    if small:
        text.append(f"\n{small}", "dim")
    return text


def aliases_of(node: Node) -> list[Text]:
    """Return a line for every time that a version was called something, with who moved it there and why."""
    spans: Any = node.facts.get("aliases", ())
    return [Text.assemble((f"{span['alias']}", "green"), *_span(span)) for span in spans]


def _version(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:  # noqa: ARG001
    origin = facts.get("origin")
    return (
        label,
        f", registered {_time(facts['registered_at'])}",
        "" if origin in (None, "pipeline") else f"from {origin}",
    )


def _verdict(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:  # noqa: ARG001
    if facts.get("missing"):
        return f"verdict {label}", " is not stored", ""
    against = f"against champion {facts['champion'][:12]}" if facts["champion"] else "with no champion to beat"
    return (
        f"verdict {label}",
        f": {facts['decision']}, {_count(facts['checks'], 'check')} on {facts['rows']:,} rows",
        f"{_time(facts['judged_at'])}, {against}",
    )


def _bundle(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:
    made = f", by its {role}" if role not in ("", "bundle", _ALL_PARTS) else ""
    decision = facts.get("decision")
    if not decision:
        return f"bundle {label}", made, ""
    said = {"pass": "passed the gate", "reject": "refused by the gate"}.get(decision, decision)
    reason = "" if decision == "pass" else _short(facts.get("reason"))
    return f"candidate {label}", f"{made}: {said}", reason


def _run(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:
    if "imported" in facts:
        judged = str(facts["judged_on"]).removeprefix("run:")
        small = f"made elsewhere; judged on the rows of {judged}"
        return label, f": imported {_time(facts['at'])} from {facts['imported']} ({facts['predictor']})", small
    if "pipeline" not in facts:
        return label, ": no run of a pipeline", _short(facts.get("reason"))
    took = _took(facts["started_at"], facts["ended_at"])
    asked = f" ({facts['asked']})" if facts.get("asked") else ""
    behind = facts.get("steps")
    small = "" if behind is None else f"{_count(len(behind), 'step')} from it: {_names(behind)}" if behind else _UNREAD
    via = f" by {role}" if role else ""
    return f"{label}{via}", f": {facts['pipeline']} {facts['state']} {_time(facts['started_at'])}{took}{asked}", small


def _step(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:
    outcomes: Mapping[str, int] = facts["outcomes"]
    many = sum(outcomes.values()) > 1
    how = ", ".join(
        (f"{_count(count, 'item')} " if many else "") + _OUTCOMES.get(outcome, outcome)
        for outcome, count in outcomes.items()
    )
    made_in = f" (made in {facts['made_in']})" if facts.get("made_in") else ""
    seconds = f" in {_seconds(facts['seconds'])}" if outcomes.get("ran") else ""
    code = sorted(facts.get("code") or [], key=lambda part: (part != facts["function"], part))
    more = f" +{len(code) - 1:,}" if len(code) > 1 else ""
    small = f"code {code[0]}{more} ({facts['code_digest'][:12]})" if code else ""
    return label, f"{f' makes {role}' if role else ''}: {how}{seconds}{made_in}", small


def _snapshot(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:  # noqa: ARG001
    if "source" not in facts:
        return label, ": its row is gone", ""
    rows = "" if facts["rows"] is None else f": {facts['rows']:,} rows"
    known = f" known by {_time(facts['as_of'])}" if facts["as_of"] else f", {_time(facts['created'])}"
    return label, f"{rows}{known}", f"from {facts['source']}"


def _alias(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:  # noqa: ARG001
    when, small = _span(facts)
    return label, when, str(small[0]).strip()


def _endpoint(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:  # noqa: ARG001
    share = f"≤ {facts['most'] / 100:g} %" if facts["most"] else "as a shadow"
    return f"served at {label}", f" {_since(facts)}, {share}", ""


def _plain(label: str, facts: Mapping[str, Any], role: str) -> tuple[str, str, str]:  # noqa: ARG001
    return label, "", ""


_UNREAD = "no step read it"
_ALL_PARTS = "model, train, evaluation"
_OUTCOMES = {"hit": "from the cache"}
_TELL = {
    "version": _version,
    "verdict": _verdict,
    "bundle": _bundle,
    "run": _run,
    "step": _step,
    "snapshot": _snapshot,
    "alias": _alias,
    "endpoint": _endpoint,
    "artifact": _plain,
    "dataset": _plain,
}


def _span(span: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    return f" {_since(span)}, by {span['actor']}", (f"\n{_short(span['reason'])}", "dim")


def _since(span: Mapping[str, Any]) -> str:
    return f"{_time(span['since'])} – {_time(span['until']) if span['until'] else 'now'}"


def _time(text: str) -> str:
    return text[:16].replace("T", " ")


def _took(start: str, end: str | None) -> str:
    return f" in {_seconds((parse(end) - parse(start)).total_seconds())}" if end else ""


def _seconds(seconds: float) -> str:
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _short(text: object) -> str:
    plain = " ".join(str(text or "").split())
    return plain if len(plain) <= _LONGEST_REASON else plain[: _LONGEST_REASON - 3] + "..."


def _names(names: Sequence[str], most: int = _NAMED) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
