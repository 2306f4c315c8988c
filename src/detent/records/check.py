"""A gate check as declared, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

PASS, REJECT, INCONCLUSIVE = "pass", "reject", "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the `gate` section, parsed. Always-on checks have `line` 0."""

    text: str  # as the user wrote it
    kind: str  # plug-in name: threshold, versus, gap, latency, size, leakage, overlap, baseline
    metric: str  # roc_auc, latency_p99, size ...
    op: str  # ">=" | "<=" | ">" | "<"
    threshold: float  # metric's own unit; seconds for latency, bytes for size; "versus": margin added to champion's
    confidence: float | None  # 0.95 for "at 95%"; None: the point estimate decides
    by: str | None  # column whose values make the slices
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check measured and concluded."""

    check: str  # the text of the check
    kind: str
    decision: str  # pass | reject | inconclusive
    value: float | None
    low: float | None  # interval at the check's confidence (95 % when none is asked for)
    high: float | None
    threshold: float | None
    rows: int  # evaluation rows used
    reason: str  # one sentence a user can act upon
    measured: bool  # True: depends on this machine (latency), so it is kept apart from what two runs must agree on
    seconds: float = 0.0  # wall time the check took


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer, bound by digest to what it judged."""

    id: str  # digest of everything below that two runs must agree on
    decision: str  # pass | reject | inconclusive (inconclusive is never success)
    results: tuple[CheckResult, ...]
    model_digest: str  # digest of the bundle's manifest
    data_digest: str  # digest of the evaluation rows
    policy_digest: str  # digest of the gate section
    champion_digest: str | None  # manifest digest of the version it was compared with
    reason: str  # the decisive check in a sentence
    judged_at: str  # ISO time
    signature: str = ""  # Ed25519 over the verdict's binding, hex; a server checks it before it loads the version
