"""The door: a version serves only after every check on it has passed in this very process."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec

from detent.bundle.codec import golden_from_json
from detent.bundle.load import load
from detent.bundle.protocol import Golden
from detent.bundle.verify import admit
from detent.errors import Place, RefusedError
from detent.serving.answers import DECODE, ENCODE, Answer, Line
from detent.serving.loaded import LoadedVersion
from detent.serving.locate import Locate
from detent.serving.pace import MOST, measure
from detent.serving.scoring import score
from detent.serving.validate import MAX_ROWS, RowReader

TOLERANCE = 1e-5  # largest difference to a golden score; float32 kernels differ between machines by less


def admit_version(model: str, number: int, *, locate: Locate, public: bytes) -> LoadedVersion:
    """Return a version that is ready to answer.

    Checks, in this order: digests of all files, signature, sealed passing verdict bound to this bundle, the model's
    name, and that the golden rows, sent through the path of a real request, give the scores stored at training.

    Raises:
        TamperedError: bytes, signature or seal are not what they were.
        RefusedError: no passing verdict, another model's bundle, or other scores than at training.
    """
    folder = locate(model, number)
    manifest, _ = admit(folder, public)
    if manifest.model != model:
        raise RefusedError(
            what=f"the bundle of {model}/{number} belongs to the model `{manifest.model}`",
            why="a version may only serve under the name it was trained and judged for",
            fix=f"register it under `{manifest.model}`, or train `{model}`",
            where=Place(file=str(folder)),
        )
    predictor = load(folder)
    signature = predictor.signature
    version = LoadedVersion(model, number, predictor, RowReader(signature), signature.output == "probability")
    golden = golden_from_json((folder / "golden.json").read_bytes())
    _replay(version, golden, folder)
    rows = [version.reader.convert(row, "")[0] for row in _rows(golden)[:MOST]]
    return replace(version, pace=measure(version, rows))


def _replay(version: LoadedVersion, golden: Golden, folder: Path) -> None:
    if not golden.scores:
        raise _skewed(folder, "it holds no golden rows, so nothing shows that it scores as it did at training")
    rows = _rows(golden)
    for first in range(0, len(rows), MAX_ROWS):
        part = rows[first : first + MAX_ROWS]
        scores = _through_request_path(version, part)
        for offset, (stored, given) in enumerate(zip(golden.scores[first : first + MAX_ROWS], scores, strict=True)):
            if _gap(stored, given) > TOLERANCE:
                raise _skewed(folder, f"golden row {first + offset} scored {stored} at training and {given} here")


def _rows(golden: Golden) -> list[dict[str, object]]:
    names = tuple(golden.rows)
    return [dict(zip(names, values, strict=True)) for values in zip(*golden.rows.values(), strict=True)]


def _through_request_path(version: LoadedVersion, rows: list[dict[str, object]]) -> list[float | None]:
    """Bytes -> validation -> model -> bytes -> scores: the functions that answer a caller."""
    request = version.reader.read(msgspec.json.encode({"inputs": rows}))
    lines = [
        Line(id="", version=version.number, score=outcome.score, error=outcome.error)
        for outcome in score(version, request.rows)
    ]
    return [line.score for line in DECODE(ENCODE(Answer(version.model, lines))).predictions]


def _gap(stored: float | None, given: float | None) -> float:
    if stored is None or given is None:
        return 0.0 if stored is None and given is None else math.inf
    return abs(stored - given)


def _skewed(folder: Path, why: str) -> RefusedError:
    return RefusedError(
        what="the model does not score here as it did at training",
        why=why,
        fix="compare the versions of onnxruntime and numpy with those of the training environment, then train again",
        where=Place(file=str(folder / "golden.json")),
    )
