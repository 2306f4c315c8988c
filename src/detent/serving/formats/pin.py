"""Requests that name the version that shall answer."""

from __future__ import annotations

from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import Problem, unavailable
from detent.serving.rows.validate import RowReader


def pinned_reader(endpoint: Endpoint, version: int) -> RowReader:
    """Return what reads requests to one version of an endpoint.

    Raises:
        Problem: 404 when the endpoint has no such version, 503 when this process can't run it.
    """
    loaded = endpoint.versions.get(version)
    if loaded is not None:
        return loaded.reader
    named = {arm.version for arm in endpoint.route.arms} | set(endpoint.route.shadows)
    if version not in named:
        raise Problem(
            404,
            "unknown-version",
            what=f"version {version} does not answer at `{endpoint.route.endpoint}`",
            why="its route leads to " + ", ".join(f"version {number}" for number in sorted(named)),
            fix="name one of these versions, or none",
        )
    raise unavailable(
        "not-ready",
        what=f"version {version} is not ready to answer",
        why=endpoint.why_not_ready(version),
        fix="try again; if it goes on, look at `detent status`",
    )


def is_alone(endpoint: Endpoint, version: int) -> bool:
    """True when the route gives every request to that version anyway."""
    return {arm.version for arm in endpoint.route.arms if arm.weight > 0} == {version}
