"""Every path that this server answers, and who may ask there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from detent.errors import did_you_mean
from detent.serving.formats.format import Format
from detent.serving.formats.v1 import V1
from detent.serving.problems import Problem

PUBLIC, PREDICT, METRICS = "public", "predict", "metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One path that this server answers."""

    method: str
    path: str  # `{endpoint}` stands for a name
    access: str  # public: anybody; predict, metrics: the API key, when one is set
    format: Format | None = None  # of predict paths: how requests and answers are written


ROUTES = (
    Rule(method="POST", path="/v1/models/{endpoint}:predict", access=PREDICT, format=V1()),
    Rule(method="POST", path="/feedback", access=PREDICT),
    Rule(method="GET", path="/healthz", access=PUBLIC),
    Rule(method="GET", path="/readyz", access=PUBLIC),
    Rule(method="GET", path="/metrics", access=METRICS),
)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)  # text, name, text, name ...
    return re.compile("".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


_PATTERNS = tuple((_pattern(rule.path), rule) for rule in ROUTES)


def match(method: str, path: str) -> tuple[Rule, Mapping[str, str]]:
    """Return the rule for a request and the names in its path.

    Raises:
        Problem: 404 for an unknown path, 405 for another method.
    """
    found = [(rule, names.groupdict()) for pattern, rule in _PATTERNS if (names := pattern.fullmatch(path))]
    if not found:
        raise Problem(
            404,
            "unknown-path",
            what="there is nothing at this path",
            why=f"the server knows no path `{path[:100]}`",
            fix=did_you_mean(path[:100], tuple(rule.path for rule in ROUTES)),
        )
    for rule, names in found:
        if rule.method == method:
            return rule, names
    allowed = ", ".join(rule.method for rule, _ in found)
    raise Problem(
        405,
        "wrong-method",
        what=f"{method[:20]} is not answered here",
        why=f"`{found[0][0].path}` takes {allowed}",
        fix=f"send a {found[0][0].method} request",
        headers=((b"allow", allowed.encode()),),
    )
