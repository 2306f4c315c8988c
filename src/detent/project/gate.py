"""The section `gate`: what a model must show before it may be registered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detent.project.grammar import DEFAULT_ALPHA, parse_check
from detent.project.nodes import Value
from detent.project.own_code import code_digests, require_code
from detent.records.check import Check
from detent.records.project import GatePlan
from detent.store.canonical import digest_of

_KEYS = ("checks", "alpha", "cluster", "expect", "min_slice")
_LANGUAGE = 2  # of the checks: since 2 a line without `at NN%` is held to its bound, so an older verdict says less


def read_gate(value: Value, folder: Path) -> tuple[tuple[Check, ...], GatePlan]:
    """Read the checks, and what holds for all of them; the section is a list, or keys of which `checks` is the list.

    `folder` is the project's: there lie the functions that checks name.

    Raises:
        ProjectError: one is no check, there is none, one stands there twice that may not, or names a function that is
            not there.
    """
    if isinstance(value.plain(), list):
        return _checks(value, DEFAULT_ALPHA, folder), GatePlan()
    section = value.section(_KEYS)
    default = GatePlan()
    alpha = section.read("alpha", _alpha, default.alpha)
    plan = GatePlan(
        alpha=alpha,
        cluster=section.read("cluster", Value.text, None),
        expect=section.read("expect", _expect, ()),
        min_slice=section.read("min_slice", lambda item: item.whole(low=20), default.min_slice),
    )
    return _checks(section.need("checks", "[roc_auc >= 0.65]"), alpha, folder), plan


def policy_digest(checks: Sequence[Check], plan: GatePlan, folder: Path) -> str:
    """Return the digest of all that the gate section says, and of the files it names: a verdict is bound to it."""
    code = code_digests(checks, folder)
    return digest_of(
        {
            "language": _LANGUAGE,
            "checks": [check.text for check in checks],
            "alpha": plan.alpha,
            "cluster": plan.cluster,
            "expect": {column: list(levels) for column, levels in plan.expect},
            "min_slice": plan.min_slice,
            **({"code": code} if code else {}),
        }
    )


def _checks(value: Value, alpha: float, folder: Path) -> tuple[Check, ...]:
    items = value.items()
    checks = tuple(item.parsed(lambda text, line=item.line: parse_check(text, line, alpha=alpha)) for item in items)
    if not checks:
        raise value.error("a gate without checks lets everything through", "add one, such as - roc_auc >= 0.65")
    for item, check in zip(items, checks, strict=True):
        if check.code is not None:
            require_code(item, check.code, folder)
    limits = [item for item, check in zip(items, checks, strict=True) if check.kind == "leakage"]
    if len(limits) > 1:
        raise limits[1].error("the limit of leakage stands here twice", "keep one of the two lines")
    return checks


def _alpha(value: Value) -> float:
    alpha = value.share()
    if alpha > 0.5:
        raise value.error(f"{alpha:g} is no chance of a wrong pass", "write at most 50%, such as 5%")
    return alpha


def _expect(value: Value) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((column, _levels(item)) for column, item in value.section().entries())


def _levels(value: Value) -> tuple[str, ...]:
    levels = tuple(str(item.plain()) for item in value.items())
    if not levels:
        raise value.error("no level is named", "name those that must be there, such as [EWR, JFK]")
    return levels
