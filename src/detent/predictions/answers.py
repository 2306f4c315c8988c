"""Rows of the log -> what callers got, and from which version."""

from __future__ import annotations

import polars as pl

# Columns of the log that tell it.
COLUMNS = ("id", "time", "endpoint", "version", "arm", "entity", "score")


def answered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row per answered prediction, with `answer` and `by`, the version that gave it.

    That is the chosen version, or where that one failed, the version that stepped in; `scores`, where the rows have
    them, are of the same one.
    """
    chosen = rows.filter(pl.col("arm") == "live")
    if not (rows["arm"] == "fallback").any():  # mostly; then there is nothing to join
        return chosen.filter(pl.col("score").is_not_null()).with_columns(answer="score", by="version")
    stepped_in = rows.filter(pl.col("arm") == "fallback").select("id", second_score="score", second="version")
    if "scores" in rows.columns:
        second = rows.filter(pl.col("arm") == "fallback").select("id", second_scores="scores")
        chosen = chosen.join(second, on="id", how="left", maintain_order="left")
        chosen = chosen.with_columns(scores=pl.coalesce("scores", "second_scores")).drop("second_scores")
    failed = pl.col("score").is_null()
    return (
        chosen.join(stepped_in, on="id", how="left", maintain_order="left")
        .with_columns(
            answer=pl.coalesce("score", "second_score"), by=pl.when(failed).then("second").otherwise("version")
        )
        .drop("second_score", "second")
        .filter(pl.col("answer").is_not_null())
    )
