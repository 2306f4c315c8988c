from __future__ import annotations

import polars as pl

from detent.predictions.answers import answered
from detent.predictions.frames import to_frame

from .builders import payload


def test_callers_got_the_chosen_version_or_the_one_that_stepped_in() -> None:
    frame = to_frame(
        [
            payload(1),
            payload(2, score=None, status="error", served_by=3),
            payload(2, arm="fallback", version=3, score=0.75),
            payload(3, score=None, status="error", served_by=None),
            payload(4, version=2, score=0.5),
            payload(4, arm="shadow", version=3, score=0.9),
        ]
    )
    found = answered(frame).select("id", "answer", "by")
    assert found.rows() == [(f"{1:040x}", 0.25, 1), (f"{2:040x}", 0.75, 3), (f"{4:040x}", 0.5, 2)]
    assert answered(frame.clear()).is_empty()
    assert answered(frame).schema["by"] == pl.Int64
