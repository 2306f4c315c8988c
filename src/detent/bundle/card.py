"""The model card: what a person wants to know before trusting the model, in Markdown."""

from __future__ import annotations

from detent.bundle.facts import ManifestFacts
from detent.records.signature import Signature


def render(facts: ManifestFacts, signature: Signature, *, rows: int) -> str:
    """Return the card. `rows` is the number of training rows; nothing in it depends on the machine."""
    lines = [
        f"# {facts.model}",
        "",
        f"Predicts `{facts.label}` ({facts.task}); {_output(signature)}.",
        "",
        f"- made by run `{facts.run}` at {facts.created_at}, origin {facts.origin}",
        f"- trained on {rows:,} rows, data `{facts.data_digest[:12]}`, code `{facts.code_digest[:12]}`",
        "",
        "## Inputs",
        "",
        "| column | kind | may be null |",
        "|---|---|---|",
        *(f"| {_cell(f.name)} | {f.kind} | {'yes' if f.nullable else 'no'} |" for f in signature.inputs),
        "",
        "## Parameters",
        "",
        *(f"- {_cell(name)}: {_cell(value)}" for name, value in facts.params),
        *(() if facts.params else ("none: the trainer's defaults",)),
    ]
    if facts.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in facts.notes)]
    return "\n".join(lines) + "\n"


def _output(signature: Signature) -> str:
    if signature.classes:
        return f"its output is a probability for each of {', '.join(_cell(name) for name in signature.classes)}"
    of = " of class 1, between 0 and 1" if signature.output == "probability" else ""
    return f"its one output is a {signature.output}{of}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
