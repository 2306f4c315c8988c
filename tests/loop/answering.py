"""Answers in the log of a host, as its serving processes write them, without any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detent.loop.workspace import Opened
from detent.predictions import places
from detent.serving.identifiers import PredictionIds, load_or_create_key, start_of
from detent.serving.places import prediction_key
from detent.store.segments import SegmentWriter
from detent.store.turns import LogRow, encode_names, encode_turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One row of the log."""

    version: int = 1
    share: float = 1.0  # of the traffic that the version had
    failed: bool = False
    caller: str = "c"


class Answering:
    """A serving process of a host: what it answers lies in its log at once."""

    def __init__(self, ws: Opened, *, site: int) -> None:
        key = load_or_create_key(prediction_key(ws.state))
        self._ws, self._ids = ws, PredictionIds(key, slot=0, start=start_of(site, 1))
        self.writer = SegmentWriter(places.segments(ws.state), "w0")

    def say(self, answers: Sequence[Answer], *, ago: timedelta = timedelta(), route: int = 1) -> list[str]:
        """Log answers that were asked for some time ago, and return their ids."""
        now: datetime = self._ws.now() - ago
        rows = []
        for one, id_ in zip(answers, self._ids.mint(now, len(answers), probability=True), strict=True):
            rows.append(
                LogRow(
                    id_, round(now.timestamp() * 1e6), "shop", route, one.version, one.version, "live", one.share,
                    one.caller, 0, (30.0,), None if one.failed else 0.5, "broken" if one.failed else "", 1e-5, "",
                )
            )  # fmt: skip
        self.writer.append([encode_turn({0: encode_names(("price",))}, rows)])
        return [row.id for row in rows]


def plain(count: int) -> list[Answer]:
    """Return answers of version 1, of as many callers."""
    return [Answer(caller=f"c{number}") for number in range(count)]
