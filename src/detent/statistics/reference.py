"""What live rows are compared with: made once when a model is trained, and carried in its bundle as `reference.bin`."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np

from detent.errors import TamperedError
from detent.records.profile import ColumnProfile, Profile
from detent.statistics import layout as layouts
from detent.statistics.axes import NULL, OUTPUT, Axis, Floats
from detent.statistics.chances import Chances
from detent.statistics.granules import Granule
from detent.statistics.granules import from_bytes as granule_from_bytes
from detent.statistics.granules import to_bytes as granule_to_bytes
from detent.statistics.layout import Layout
from detent.store.canonical import canonical

HOURS = 168  # of a week
_MAGIC = b"detent reference 1\n"
_SEAL = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """The share of positives by score: rising, linear between its points, level outside of them."""

    x: tuple[float, ...]  # scores, ascending
    y: tuple[float, ...]  # share of positives at each, 0..1
    sd: tuple[float, ...]  # standard error of each share

    def apply(self, score: Floats) -> Floats:
        """Return the share of positives at each score."""
        return np.interp(score, self.x, self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a row cost on the evaluation rows, in 0..1: the squared error of a probability, else |error| / bound."""

    mean: float
    upper: float  # one-sided 99 % bound of the mean; days that differ more than rows do widen it
    bound: float  # 1 for a probability; else the error that counts as 1, in units of the label
    squared: bool = True  # False: the model gives a value, not a probability

    def of(self, y: Floats, score: Floats) -> Floats:
        """Return the loss of each row."""
        return loss_of(y, score, bound=self.bound, squared=self.squared)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerm:
    """What a column's cells add to the expected loss, with the mean zero; which cells are told apart: `dle`."""

    name: str
    rows: tuple[int, ...]  # of those that it was fitted on, per cell
    adds: tuple[float, ...]  # per cell, in units of the loss
    left_out: tuple[tuple[float, ...], ...]  # the same, fitted without each part of the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LossModel:
    """What a row's loss probably is, from its columns one by one; fitted on the evaluation rows."""

    metric: str  # "mae": the loss is |error| | "rmse": its square
    base: float  # mean loss of these rows
    left_out: tuple[float, ...]  # the same without each part of the rows
    terms: tuple[LossTerm, ...]  # of columns that tell something; () where none does
    spread: float  # variance of means of rows, over that of independent columns and days
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A metric on the evaluation rows."""

    metric: str
    value: float
    low: float  # 95 %, two-sided
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Everything the monitor knows of how rows and scores looked when the model was made."""

    layout: Layout
    inputs: Granule  # of the training rows; its scores' axis is empty
    scores: Granule  # of the evaluation rows, which the model was not fitted on
    seasons: tuple[Granule, ...] = ()  # training rows per hour of the week, over `layout.coarse()`; () below 4 weeks
    inflation: tuple[tuple[str, float], ...] = ()  # (column, how many times as much days differ as independent rows)
    importance: tuple[tuple[str, float], ...] = ()  # (input, share of the score's movement that is due to it)
    calibrator: Calibrator | None = None  # None: the model gives no probability, or only one class was there
    loss: Loss | None = None  # None: a bundle of an earlier form
    quality: tuple[Quality, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()  # (name, JSON) of what others keep beside it
    losses: tuple[LossModel, ...] = ()  # of a model that gives a value: its metrics without labels
    chances: Chances | None = None  # of a model of several classes: the same

    def inflation_of(self, column: str) -> float:
        """Return by what counts of a column are divided before any test; 1 when nothing is known."""
        return dict(self.inflation).get(column, 1.0)

    def importance_of(self, column: str) -> float | None:
        """Return the share of the score's movement that is due to an input; None when nobody measured it."""
        return dict(self.importance).get(column)

    def loss_model(self, metric: str) -> LossModel | None:
        """Return what estimates a metric without labels; None where nothing does."""
        return next((one for one in self.losses if one.metric == metric), None)

    def metric(self, name: str) -> Quality | None:
        """Return how good the model was by a metric; None when it was not measured."""
        return next((one for one in self.quality if one.metric == name), None)


def loss_of(y: Floats, score: Floats, *, bound: float, squared: bool) -> Floats:
    """Return the loss of each row, in 0..1."""
    error = np.abs(y - score) / bound
    return np.minimum(error * error if squared else error, 1.0)


def hour_of_week(moment: datetime) -> int:
    """Return the number of the hour, in UTC, since Monday 00:00."""
    moment = moment.astimezone(UTC)
    return moment.weekday() * 24 + moment.hour


def to_bytes(reference: Reference) -> bytes:
    """Return the one form of a reference as bytes."""
    granules = [granule_to_bytes(one) for one in (reference.inputs, reference.scores, *reference.seasons)]
    head = canonical(
        {
            "layout": layouts.to_plain(reference.layout),
            "sizes": [len(data) for data in granules],
            **{
                name: msgspec.to_builtins(getattr(reference, name))
                for name in _Head.__struct_fields__[2:]
                if name not in _LATER or getattr(reference, name)
            },
        }
    )
    body = _MAGIC + struct.pack("<I", len(head)) + head + b"".join(granules)
    return body + hashlib.blake2b(body, digest_size=_SEAL).digest()


class _Head(msgspec.Struct):
    layout: msgspec.Raw
    sizes: list[int]
    inflation: tuple[tuple[str, float], ...]
    importance: tuple[tuple[str, float], ...]
    calibrator: Calibrator | None
    loss: Loss | None
    quality: tuple[Quality, ...]
    extra: tuple[tuple[str, str], ...]
    losses: tuple[LossModel, ...] = ()
    chances: Chances | None = None


# Came after the first form: left out when empty, so that earlier references keep their bytes.
_LATER = ("losses", "chances")


def from_bytes(data: bytes) -> Reference:
    """Return the reference that `to_bytes` wrote.

    Raises:
        TamperedError: the bytes are cut, damaged, or something else.
    """
    body, head, start = _read_head(data)
    granules = []
    for size in head.sizes:
        granules.append(granule_from_bytes(body[start : start + size]))
        start += size
    return Reference(
        layout=_layout(head),
        inputs=granules[0],
        scores=granules[1],
        seasons=tuple(granules[2:]),
        inflation=head.inflation,
        importance=head.importance,
        calibrator=head.calibrator,
        loss=head.loss,
        quality=head.quality,
        extra=head.extra,
        losses=head.losses,
        chances=head.chances,
    )


def layout_from_bytes(data: bytes) -> Layout:
    """Return only the layout of the reference that `to_bytes` wrote: all that a serving process needs.

    Raises:
        TamperedError: the bytes are cut, damaged, or something else.
    """
    return _layout(_read_head(data)[1])


def from_profile(profile: Profile, *, output: str = layouts.PROBABILITY) -> Reference:
    """Return the little that a profile tells, for bundles without a reference: no sums, no seasons, no calibrator.

    Its bins are the axes; every level counts as known; its scores are those on the training rows.
    """
    known = {column.name: column for column in profile.columns}
    inputs = [_axis(column) for column in profile.columns if column.name != OUTPUT]
    given = known.get(OUTPUT)
    last = Axis(name=OUTPUT, kind="number") if given is None else _axis(given)
    layout = Layout(axes=(*inputs, last), positive=0.5 if output == layouts.PROBABILITY else None)
    return Reference(
        layout=layout,
        inputs=_counted(layout, profile.rows, {name: one for name, one in known.items() if name != OUTPUT}),
        scores=_counted(layout, profile.rows, {} if given is None else {OUTPUT: given}),
    )


def _read_head(data: bytes) -> tuple[bytes, _Head, int]:
    body = data[:-_SEAL]
    if not data.startswith(_MAGIC) or hashlib.blake2b(body, digest_size=_SEAL).digest() != data[-_SEAL:]:
        raise _foreign("its checksum is wrong, so it was cut or damaged")
    start = len(_MAGIC) + 4
    end = start + struct.unpack_from("<I", body, len(_MAGIC))[0]
    try:
        return body, msgspec.json.decode(body[start:end], type=_Head), end
    except msgspec.DecodeError as error:
        raise _foreign(str(error)[:300]) from error


def _layout(head: _Head) -> Layout:
    try:
        return layouts.from_plain(msgspec.json.decode(head.layout))
    except msgspec.DecodeError as error:
        raise _foreign(str(error)[:300]) from error


def _foreign(why: str) -> TamperedError:
    return TamperedError(
        what="`reference.bin` is not a file that detent wrote",
        why=why,
        fix="take the bundle from the run that made it; don't edit files inside a bundle",
    )


def _axis(column: ColumnProfile) -> Axis:
    middle = column.edges[len(column.edges) // 2] if column.edges else 0.0
    spread = column.edges[-1] - column.edges[0] if column.edges else 0.0
    return Axis(
        name=column.name,
        kind=column.kind,
        edges=column.edges,
        coarse=column.edges,
        levels=column.levels,
        open=True,
        centre=middle,
        unit=spread if 0.0 < spread < np.inf else 1.0,
    )


def _counted(layout: Layout, rows: int, columns: dict[str, ColumnProfile]) -> Granule:
    cells = np.zeros(layout.cells, dtype=np.int64)
    for name, column in columns.items():
        place = layout.place(name)
        bins = len(column.counts)
        cells[place.start : place.start + bins] = column.counts
        cells[place.start + bins + NULL] = column.nulls
    axes = len(layout.axes)
    return Granule(
        layout=layout.digest, rows=rows, cells=cells, sums=np.zeros(layout.sums, dtype=np.int64),
        lowest=np.full(axes, np.inf), highest=np.full(axes, -np.inf), novel=((),) * axes,
    )  # fmt: skip
