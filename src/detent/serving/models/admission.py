"""The door: a version serves only after every check on it has passed in this very process."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import msgspec

from detent.bundle.codec import golden_from_json, profile_from_json
from detent.bundle.files import REFERENCE_NAME
from detent.bundle.load import load
from detent.bundle.protocol import Golden
from detent.bundle.verify import admit
from detent.errors import Place, RefusedError
from detent.records.signature import Signature
from detent.serving.models.loaded import LoadedVersion
from detent.serving.models.locate import Locate
from detent.serving.models.pace import MOST, measure
from detent.serving.models.scoring import score
from detent.serving.rows.answers import DECODE, ENCODE, Answer, Line
from detent.serving.rows.class_answers import by_name
from detent.serving.rows.validate import MAX_ROWS, RowReader
from detent.statistics.layout import Layout
from detent.statistics.reference import from_profile, layout_from_bytes

TOLERANCE = 1e-5  # largest difference to a golden score; float32 kernels differ between machines by less

# What decides the scores of a predictor's models: distributions whose other versions may compute otherwise.
_PACKAGES = {
    "onnx": ("onnxruntime",),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    "skops": ("scikit-learn", "skops"),
    "torch": ("torch",),
}
Scores = float | tuple[float, ...] | None

_ELSEWHERE = {  # models that run outside of this process
    "sandbox": "compare the packages of this environment with those that the model was made with, then import it again",
    "remote": "look whether the server behind it still has that model, then import it again",
}


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
    version = LoadedVersion(
        model, number, predictor, RowReader(signature), signature.output == "probability", classes=signature.classes
    )
    golden = golden_from_json((folder / "golden.json").read_bytes())
    why = _difference(version, golden)
    if why:
        raise RefusedError(
            what="the model does not score here as it did at training",
            why=why,
            fix=_advice(manifest.predictor),
            where=Place(file=str(folder / "golden.json")),
        )
    rows = [version.reader.convert(row, "")[0] for row in _rows(golden)[:MOST]]
    return replace(version, pace=measure(version, rows), layout=_layout(folder, signature))


def _layout(folder: Path, signature: Signature) -> Layout | None:
    """Return over which bins the version's rows are counted: its reference's, or those of an older bundle's profile."""
    reference = folder / REFERENCE_NAME
    if reference.is_file():
        layout = layout_from_bytes(reference.read_bytes())
    else:
        profile = profile_from_json((folder / "profile.json").read_bytes())
        layout = from_profile(profile, output=signature.output).layout
    known = {field.name for field in signature.inputs}
    return layout if all(axis.name in known for axis in layout.axes[:-1]) else None


def _difference(version: LoadedVersion, golden: Golden) -> str:
    """Send the golden rows through the path of a request; say which score differs from the stored one, "" for none."""
    if not golden.scores:
        return "it holds no golden rows, so nothing shows that it scores as it did at training"
    rows = _rows(golden)
    for first in range(0, len(rows), MAX_ROWS):
        scores = _through_request_path(version, rows[first : first + MAX_ROWS])
        for offset, (stored, given) in enumerate(zip(golden.scores[first : first + MAX_ROWS], scores, strict=True)):
            if _gap(stored, given) > TOLERANCE:
                return f"golden row {first + offset} scored {stored} at training and {given} here"
    return ""


def _rows(golden: Golden) -> list[dict[str, object]]:
    names = tuple(golden.rows)
    return [dict(zip(names, values, strict=True)) for values in zip(*golden.rows.values(), strict=True)]


def _through_request_path(version: LoadedVersion, rows: list[dict[str, object]]) -> list[Scores]:
    """Bytes -> validation -> model -> bytes -> scores: the functions that answer a caller."""
    request = version.reader.read(msgspec.json.encode({"inputs": rows}))
    lines = [
        by_name(Line(id="", version=version.number, score=outcome.score, error=outcome.error), outcome, version.classes)
        for outcome in score(version, request.rows)
    ]
    said = DECODE(ENCODE(Answer(version.model, lines))).predictions
    return [tuple(line.probabilities.values()) if line.probabilities else line.score for line in said]


def _gap(stored: Scores, given: Scores) -> float:
    if stored is None or given is None:
        return 0.0 if stored is None and given is None else math.inf
    ours, theirs = (one if isinstance(one, tuple) else (one,) for one in (stored, given))
    if len(ours) != len(theirs):
        return math.inf
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def _advice(predictor: str) -> str:
    """Say what to compare: the packages that run this kind of model, with their versions here."""
    if predictor in _ELSEWHERE:
        return _ELSEWHERE[predictor]
    here = " and ".join(f"{name} {_installed(name)}" for name in (*_PACKAGES.get(predictor, ()), "numpy"))
    return f"compare {here} with the training environment's versions, then train or import the model again"


def _installed(package: str) -> str:
    """Return the version of a package; XGBoost's smaller build has a name of its own."""
    for name in (package, f"{package}-cpu"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "(not installed)"
