"""Every path that this server answers, and who may ask there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from detent.errors import did_you_mean
from detent.serving.formats.format import Format
from detent.serving.formats.invocations import Invocations
from detent.serving.formats.v1 import V1
from detent.serving.formats.v2 import V2
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import Problem

PUBLIC, PREDICT, FEEDBACK, METRICS, MANAGE, TRIGGER = (
    "public", "predict", "feedback", "metrics", "manage", "trigger",
)  # fmt: skip


_V1, _V2, _INVOCATIONS = V1(), V2(), Invocations()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One path that this server answers."""

    method: str
    path: str  # `{endpoint}` and `{name}` (of a trigger) stand for names, `{version}` for a number
    access: str  # public: anybody; else the scope that the caller's API key needs, once there are keys
    format: Format = _V1  # how answers and errors are written
    hot: bool = False  # a predict path: answered by `Hot.ask`


def _rule(method: str, path: str, access: str, format: Format = _V1, *, hot: bool = False) -> Rule:
    return Rule(method=method, path=path, access=access, format=format, hot=hot)


ROUTES = (
    _rule("POST", "/v1/models/{endpoint}:predict", PREDICT, hot=True),
    _rule("POST", "/v2/models/{endpoint}/infer", PREDICT, _V2, hot=True),
    _rule("POST", "/v2/models/{endpoint}/versions/{version}/infer", PREDICT, _V2, hot=True),
    _rule("POST", "/invocations", PREDICT, _INVOCATIONS, hot=True),
    _rule("POST", "/endpoints/{endpoint}/invocations", PREDICT, _INVOCATIONS, hot=True),
    _rule("POST", "/feedback", FEEDBACK),
    _rule("POST", "/v1/triggers/{name}", TRIGGER),
    _rule("GET", "/v2", PREDICT, _V2),
    _rule("GET", "/v2/health/live", PUBLIC, _V2),
    _rule("GET", "/v2/health/ready", PUBLIC, _V2),
    _rule("GET", "/v2/models/{endpoint}", PREDICT, _V2),
    _rule("GET", "/v2/models/{endpoint}/ready", PREDICT, _V2),
    _rule("GET", "/v2/models/{endpoint}/versions/{version}", PREDICT, _V2),
    _rule("GET", "/v2/models/{endpoint}/versions/{version}/ready", PREDICT, _V2),
    _rule("GET", "/ping", PUBLIC, _INVOCATIONS),
    _rule("GET", "/health", PUBLIC, _INVOCATIONS),
    _rule("GET", "/version", PREDICT, _INVOCATIONS),
    _rule("GET", "/healthz", PUBLIC),
    _rule("GET", "/readyz", PUBLIC),
    _rule("GET", "/openapi.json", PREDICT),
    _rule("GET", "/metrics", METRICS),
)


class Target(NamedTuple):
    """Where a predict request goes."""

    name: str  # endpoint
    format: Format
    endpoint: Endpoint | None = None  # None: it is to be looked for, or nothing answers there


def hot_targets(endpoints: Mapping[str, Endpoint]) -> dict[bytes, Target]:
    """Return what each predict path leads to, for the endpoints as they are now."""
    targets: dict[bytes, Target] = {}
    for rule in ROUTES:
        if not rule.hot:
            continue
        for name, endpoint in endpoints.items():
            path, there = rule.path.replace("{endpoint}", name), endpoint if endpoint.route.arms else None
            if "{version}" in path:
                for version in endpoint.versions:
                    targets[path.replace("{version}", str(version)).encode()] = Target(name, V2(version), there)
            elif "{endpoint}" in rule.path or len(endpoints) == 1:
                targets[path.encode()] = Target(name, rule.format, there)
    return targets


def aim(rule: Rule, names: Mapping[str, str], endpoints: Collection[str]) -> Target:
    """Return what one request to a predict path leads to; `names` are those in its path.

    Raises:
        Problem: 404 for a version that is no number, 400 for a path without an endpoint when there are several.
    """
    if "version" in names:
        return Target(names["endpoint"], V2(version_in(names)))
    if "endpoint" in names:
        return Target(names["endpoint"], rule.format)
    if len(endpoints) == 1:
        return Target(next(iter(endpoints)), rule.format)
    raise Problem(
        400 if endpoints else 503,
        "which-endpoint",
        what="this path does not say which endpoint is meant",
        why=f"this server has {len(endpoints)} endpoints",
        fix="post to /endpoints/{endpoint}/invocations" if endpoints else "deploy a model first",
    )


def version_in(names: Mapping[str, str]) -> int | None:
    """Return the version that a path names, if it names one.

    Raises:
        Problem: 404 when it is no number.
    """
    text = names.get("version")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or str(int(text)) != text:
        raise Problem(
            404,
            "unknown-version",
            what="there is no such version",
            why=f"versions are numbers, and this one is {text[:40]!r}",
            fix="name a version like 3, or leave it out",
        )
    return int(text)


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
