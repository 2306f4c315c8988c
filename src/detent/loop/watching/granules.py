"""What was asked and answered per hour, as counts: of the files of serving processes, or of the log where they fail.

The log is the truth. A killed process loses what it counted last, a damaged file is as good as none, and a machine may
have been restored from a copy: wherever the files hold fewer rows than the log, that hour is counted anew. With the log
off, or in a sample, the files are all there is.
"""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import quote

import polars as pl

from detent.bundle.codec import signature_from_json
from detent.errors import TamperedError
from detent.loop.champion import bundle_folder
from detent.loop.runs.reference import read_reference
from detent.loop.workspace import Workspace
from detent.predictions import places, read, seal
from detent.predictions.frames import expand_inputs
from detent.records.log import KEEP, OFF, SAMPLE
from detent.records.signature import Signature
from detent.records.version import ModelVersion
from detent.serving.places import profiles
from detent.statistics.days import day_from_bytes, hour_of
from detent.statistics.granules import Granule, count, total
from detent.statistics.layout import Layout

LOG = logging.getLogger(__name__)

Hours = list[tuple[datetime, Granule]]
ENOUGH = 0.2  # share of a window's requests from which on a version's own rows stand for all
_HOUR = timedelta(hours=1)


def granules_between(
    ws: Workspace, version: ModelVersion, start: datetime, end: datetime, *, whoever: bool = False
) -> Hours:
    """Return the counts of each hour with rows, in order, over the version's layout without masked inputs.

    Rows are those of the arm "live" at the project's endpoint. Hours count from the full hour that `start` is in to the
    one that `end` is in or begins; whole hours are what callers should ask for.

    Args:
        ws: the project.
        version: whose layout, and whose rows.
        start: first moment.
        end: the moment after the last.
        whoever: where the version got less than 20 % of all requests, count the inputs of all of them; scores stay
            those of the version alone, which is what "prediction" is about.
    """
    layout, signature = layout_for(ws, version)
    logged = _logged(ws, start, end)
    mine = {hour: rows for (hour, number), rows in logged.items() if number == version.number}
    if whoever and sum(mine.values()) < ENOUGH * sum(logged.values()):
        hours = sorted({hour for hour, _ in logged})
        return list(_counted(ws, layout, signature, hours, version=version.number, others=True))
    found = _stored(ws, version.number, layout, start, end)
    kept = {hour: one for hour, one in found.items() if one.rows >= mine.get(hour, 0)}
    lacking = sorted(mine.keys() - kept.keys())
    if lacking:
        why = "files hold fewer rows than the log"
        LOG.info("action=count version=%d hours=%d reason=%r", version.number, len(lacking), why)
        kept.update(_counted(ws, layout, signature, lacking, version=version.number, others=False))
    return sorted(kept.items())


def layout_for(ws: Workspace, version: ModelVersion) -> tuple[Layout, Signature]:
    """Return the layout that a version's live rows are counted over, and its signature."""
    folder = bundle_folder(ws, version)
    masked = [name for name, rule in ws.project.serving.log.fields if rule != KEEP]
    signature = signature_from_json((folder / "signature.json").read_bytes())
    return read_reference(folder).layout.without(masked), signature


def only_counted(ws: Workspace) -> bool:
    """Tell whether the counts of serving processes are all there is, because the log does not hold every answer."""
    return ws.project.serving.log.mode in (OFF, SAMPLE)


def lost_between(ws: Workspace, version: ModelVersion, start: datetime, end: datetime) -> int:
    """Count the hours of a version that its serving processes did not count as a whole: a crash, or a damaged file.

    With the log, such hours were counted from it and nothing is missing. Without, the damaged files are counted, and
    what a killed process had not written is known to nobody.
    """
    if only_counted(ws):
        files = _files(profiles(ws.state), ws.project.serving.endpoint, version.number, start, end)
        return sum(_hours_in(path) is None for path in files)
    layout, _ = layout_for(ws, version)
    stored = _stored(ws, version.number, layout, start, end)
    logged = {hour: rows for (hour, number), rows in _logged(ws, start, end).items() if number == version.number}
    return sum(hour not in stored or stored[hour].rows < rows for hour, rows in logged.items())


def first_traffic(ws: Workspace, since: datetime) -> datetime:
    """Return a moment before which nothing was served since `since`: the first answer, or the beginning of its day.

    The present moment, where nothing was served. Rows of the first day may also lie before `since`.
    """
    seal(places.segments(ws.state), places.parquet(ws.state))
    days = places.days(places.parquet(ws.state), since=since.date())[:1]
    if only_counted(ws):
        days += [day for day in _counted_days(profiles(ws.state)) if day >= since.date()]
    first = min([ws.now(), *(datetime.combine(day, time.min, UTC) for day in days)])
    if first > since:  # a slower process may still hold earlier rows in a segment
        rows = read(ws.state, since, first, columns=["time"])
        first = rows["time"][0] if rows.height else first
    return first


def forget_days(ws: Workspace, days: Iterable[date]) -> None:
    """Remove what was counted on some days: new levels are kept by name, so counts go when the log's rows do."""
    for day in days:
        shutil.rmtree(profiles(ws.state) / day.isoformat(), ignore_errors=True)


def _logged(ws: Workspace, start: datetime, end: datetime) -> dict[tuple[datetime, int], int]:
    """Return the rows of the log by hour and version; none when the log does not hold all of them."""
    if only_counted(ws):
        return {}
    rows = read(ws.state, since=hour_of(start), until=_end(end), columns=["time", "version"], where=_live(ws))
    by_hour = rows.group_by(pl.col("time").dt.truncate("1h"), "version").len()
    return {(hour, number): size for hour, number, size in by_hour.iter_rows()}


def _stored(ws: Workspace, number: int, layout: Layout, start: datetime, end: datetime) -> dict[datetime, Granule]:
    """Return what serving processes counted, added up by hour; what is damaged or of another layout is left out."""
    found: dict[datetime, list[Granule]] = defaultdict(list)
    for path in _files(profiles(ws.state), ws.project.serving.endpoint, number, start, end):
        for hour, granule in (_hours_in(path) or {}).items():
            if granule.layout == layout.digest and hour_of(start) <= hour < _end(end):
                found[hour].append(granule)
    return {hour: total(parts) for hour, parts in found.items()}


def _hours_in(path: Path) -> dict[datetime, Granule] | None:
    """Return what a process counted; None when the file is damaged or gone."""
    try:
        return day_from_bytes(path.read_bytes())
    except (OSError, TamperedError) as error:
        LOG.warning("action=skip file=%s reason=%r", path.name, str(error).split("\n")[0])
        return None


def _counted_days(folder: Path) -> Iterator[date]:
    for path in folder.glob("*-*-*"):
        with suppress(ValueError):  # somebody else's folder
            yield date.fromisoformat(path.name)


def _files(folder: Path, endpoint: str, number: int, start: datetime, end: datetime) -> Iterator[Path]:
    day, last = hour_of(start).date(), (_end(end) - _HOUR).date()
    while day <= last:
        yield from sorted((folder / day.isoformat()).glob(f"{quote(endpoint, safe='')}-{number}-*.bin"))
        day += timedelta(days=1)


def _counted(
    ws: Workspace, layout: Layout, signature: Signature, hours: Sequence[datetime], *, version: int, others: bool
) -> Iterator[tuple[datetime, Granule]]:
    """Count the log's rows of some hours."""
    if not hours:
        return
    wanted = _live(ws) & pl.col("time").dt.truncate("1h").is_in(list(hours))
    if not others:
        wanted &= pl.col("version") == version
    rows = read(
        ws.state, since=hours[0], until=hours[-1] + _HOUR, columns=["time", "version", "inputs", "score"], where=wanted
    )
    for key, part in rows.group_by(pl.col("time").dt.truncate("1h"), maintain_order=True):
        hour = key[0]
        assert isinstance(hour, datetime)
        own, rest = part.filter(pl.col("version") == version), part.filter(pl.col("version") != version)
        yield (
            hour,
            total(
                (
                    count(layout, _inputs(own, signature), own["score"].to_list()),
                    count(layout, _inputs(rest, signature)),
                )
            ),
        )


def _inputs(rows: pl.DataFrame, signature: Signature) -> dict[str, list[object]]:
    if rows.is_empty():
        return {field.name: [] for field in signature.inputs}
    return expand_inputs(rows, signature).to_dict(as_series=False)


def _live(ws: Workspace) -> pl.Expr:
    return (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")


def _end(end: datetime) -> datetime:
    """Return the end of the hour that a moment ends."""
    return hour_of(end - timedelta(microseconds=1)) + _HOUR
