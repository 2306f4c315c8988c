"""The same thing more than once among the rows that are trained on."""

from __future__ import annotations

import numpy as np
import polars as pl

from detent.data.quality.cells import cells_of, prose, row_hashes
from detent.data.quality.near import near_rows, near_texts
from detent.data.quality.report import SHOWN, QualityFinding
from detent.records.expectation import PASS, WARN
from detent.statistics.minhash import Pairs


def find_duplicates(train: pl.DataFrame, *, key: str | None) -> list[QualityFinding]:
    """Look for rows that equal another one in everything but the key, and for rows and texts that nearly do."""
    content = train.drop(key, strict=False) if key is not None else train
    hashes = row_hashes(content)
    findings = [_exact(hashes), _near(content, hashes)]
    findings += [_prose(train[name]) for name in prose(content)]
    return findings


def _exact(hashes: np.ndarray) -> QualityFinding:
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    twin = first[inverse]
    again = np.flatnonzero(twin != np.arange(hashes.size))
    share = again.size / max(1, hashes.size)
    return QualityFinding(
        kind="duplicate_rows",
        outcome=WARN if again.size else PASS,
        column="",
        rows=int(again.size),
        share=share,
        examples=tuple((int(twin[row]), int(row)) for row in again[:SHOWN]),
        reason=f"{again.size:,} training rows ({share * 100:.3g}%) repeat an earlier one in everything but the key"
        if again.size
        else "no training row repeats another one",
    )


def _near(content: pl.DataFrame, hashes: np.ndarray) -> QualityFinding:
    first = np.sort(np.unique(hashes, return_index=True)[1])  # equal rows were counted already
    pairs, complete = near_rows(cells_of(content[first]))
    return near_finding("near_duplicates", "", first[pairs], complete, content.height, "nearly equal another one")


def _prose(texts: pl.Series) -> QualityFinding:
    pairs, complete = near_texts(texts)
    what = f"have a `{texts.name}` that is nearly another row's"
    return near_finding("near_texts", texts.name, pairs, complete, len(texts), what)


def near_finding(kind: str, column: str, pairs: Pairs, complete: bool, rows: int, what: str) -> QualityFinding:
    """Build the finding for pairs of near-equal rows."""
    concerned = int(np.unique(pairs).size)
    share = concerned / max(1, rows)
    unsure = "" if complete else "; some groups were too large to compare in full, so there may be more"
    return QualityFinding(
        kind=kind,
        outcome=WARN if concerned else PASS,
        column=column,
        rows=concerned,
        share=share,
        examples=tuple((int(a), int(b)) for a, b in pairs[:SHOWN]),
        reason=f"{concerned:,} training rows ({share * 100:.3g}%) {what}{unsure}"
        if concerned
        else f"no training rows {what}{unsure}",
        complete=complete,
    )
