"""Evidence about an honest model, with any part replaced."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from detent.gate.binding import Binding
from detent.gate.evidence import Evidence
from detent.project.grammar import parse_check
from detent.records.check import Check

BINDING = Binding(model_digest="a" * 64, data_digest="b" * 64, policy_digest="c" * 64, champion_digest="d" * 64)
NOW = datetime(2013, 4, 1, 12, 0, tzinfo=UTC)


def check(text: str) -> Check:
    """Parse one line of a gate section."""
    return parse_check(text, 12)


def always(kind: str) -> Check:
    """Return an always-on check as the judge adds it."""
    op, threshold, confidence = {
        "baseline": (">", 0.5, 0.95),
        "leakage": ("<=", 0.97, None),
        "overlap": ("<=", 0.01, None),
        "provenance": ("<=", 0.0, None),
    }[kind]
    return Check(
        text=f"{kind} (always on)", kind=kind, metric=kind, op=op, threshold=threshold, confidence=confidence,
        by=None, line=0,
    )  # fmt: skip


def evidence(n: int = 1000, *, noise: float = 0.5, seed: int = 0, **parts: Any) -> Evidence:
    """Return an honest binary model (roc_auc about 0.72) and its champion of equal quality; `parts` replace fields."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n, 3))
    logit = features @ [0.9, 0.6, 0.0] - 1.0
    y = (draw.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    candidate, champion = (1 / (1 + np.exp(-logit - noise * draw.normal(size=n))) for _ in range(2))
    columns = pl.DataFrame(
        {
            **{f"x{index}": features[:, index] for index in range(3)},
            "origin": draw.choice(["EWR", "JFK", "LGA"], n),
        }
    )
    known: dict[str, Any] = {
        "task": "binary",
        "columns": columns,
        "inputs": tuple(columns.columns),
        "y": y,
        "score": candidate,
        "champion": champion,
        "seed": 1,
        "keys": pl.Series([f"F{index}" for index in range(n)], dtype=pl.String),
        "train_keys": pl.Series([f"F{index}" for index in range(n, 3 * n)], dtype=pl.String),
        "train_time_max": datetime(2013, 2, 28, tzinfo=UTC),
        "eval_time_min": datetime(2013, 3, 1, tzinfo=UTC),
        "allowed_inputs": frozenset(columns.columns),
        "latency_seconds": draw.gamma(4.0, 2e-4, 200),
        "bundle_bytes": 1_234_567,
    }
    return Evidence(**({"provenance": ()} | known | parts))


def regression(n: int = 800, *, noise: float = 0.5, seed: int = 0, **parts: Any) -> Evidence:
    """Return an honest regression model with an r2 of about 0.6."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    y = 3.0 * x + draw.normal(size=n) + 20.0
    known = {
        "task": "regression", "columns": pl.DataFrame({"x": x, "other": draw.normal(size=n)}), "inputs": ("x", "other"),
        "y": y, "score": 3.0 * x + 20.0 + 3 * noise * draw.normal(size=n), "champion": None,
    }  # fmt: skip
    return evidence(n, seed=seed, **(known | {"allowed_inputs": None} | parts))
