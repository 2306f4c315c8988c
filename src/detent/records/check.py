"""A gate check as declared, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from detent.records.waiver import Waiver

PASS, REJECT, INCONCLUSIVE = "pass", "reject", "inconclusive"
LEFT_OUT = "left out"  # of a slice that is too small for a check that may leave it out
BETTER = "better"  # the comparison of a line that follows the metric's own direction: `better by`, `non_inferior by`
NO_CHAMPION = "no champion"  # stamp of a result that passed because there was nothing to compare with


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the `gate` section, parsed. Always-on checks have `line` 0."""

    text: str  # as the user wrote it
    kind: str  # plug-in name: threshold, versus, gap, each, worst, fairness, latency, size, leakage, overlap, baseline
    metric: str  # roc_auc, latency_p99, size ...
    op: str  # ">=" | "<=" | ">" | "<" | "better"
    threshold: float  # metric's own unit; seconds for latency, bytes for size; "versus": margin added to champion's
    confidence: float | None  # of the bound that decides: 0.95 for "at 95%" and by default; None: the estimate decides
    by: str | None  # column whose values make the slices
    line: int
    relative: bool = False  # "better by 2%", "champion * 1.2": the threshold is a share of the champion's value
    against: str = ""  # "champion": compared with it
    arguments: tuple[tuple[str, str], ...] = ()  # of the form's own, such as (("missing", "humid"),)
    code: str | None = None  # "checks.py:name" of a user's own check or metric
    slack: bool = False  # a margin to be no worse by, not a goal: non-inferiority


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceResult:
    """What a check says about one slice of the evaluation rows."""

    column: str
    value: str
    rows: int
    metric: float | None
    low: float | None
    high: float | None
    champion: float | None  # the champion's value on the same rows
    p_value: float | None  # corrected for the number of slices (Holm)
    decision: str  # pass | reject | inconclusive | left out
    reason: str


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
    slices: tuple[SliceResult, ...] = ()
    alpha: float | None = None  # chance of a wrong pass that this result was allowed
    needed: int | None = None  # rows that would have decided an inconclusive result
    stamp: str = ""  # "no champion": it passed because there was nothing to compare with
    waiver: str = ""  # id of the waiver by which the verdict passes although this result does not


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
    candidates: int = 1  # different bundles judged on these rows so far, this one included
    waivers: tuple[Waiver, ...] = ()  # those that results name, each with its own signature
    signature: str = ""  # Ed25519 over the verdict's binding, hex; a server checks it before it loads the version
