"""The plug-in table: a name of a kind leads to one dotted path, and looking it up imports one module.

Third parties add names through the entry-point group `detent.<kind>`. A failed import is an error that names
the extra to install, never a silent absence.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module, metadata
from typing import Any

from detent.errors import DetentError, MissingExtraError, did_you_mean

TABLE: dict[str, dict[str, str]] = {
    "predictor": {
        "lightgbm": "detent.bundle.predictors.lightgbm:LightgbmPredictor",
        "mlp": "detent.bundle.predictors.mlp:MlpPredictor",
        "onnx": "detent.bundle.predictors.onnx:OnnxPredictor",
        "remote": "detent.bundle.predictors.remote:RemotePredictor",
        "sandbox": "detent.bundle.predictors.sandbox:SandboxPredictor",
        "skops": "detent.bundle.predictors.skops:SkopsPredictor",
        "torch": "detent.bundle.predictors.torch:TorchPredictor",
        "xgboost": "detent.bundle.predictors.xgboost:XgboostPredictor",
    },
    "trainer": {
        "lightgbm": "detent.training.trainers.lightgbm:fit",
        "sklearn": "detent.training.trainers.sklearn:fit",
    },
    "check": {
        "threshold": "detent.gate.checks.threshold:Threshold",
        "versus": "detent.gate.checks.versus:Versus",
        "gap": "detent.gate.checks.gap:Gap",
        "each": "detent.gate.checks.slices:Each",
        "worst": "detent.gate.checks.slices:Worst",
        "fairness": "detent.gate.checks.fairness:Fairness",
        "latency": "detent.gate.checks.latency:Latency",
        "size": "detent.gate.checks.size:Size",
        "leakage": "detent.gate.checks.leakage:Leakage",
        "overlap": "detent.gate.checks.overlap:Overlap",
        "baseline": "detent.gate.checks.baseline:Baseline",
        "provenance": "detent.gate.checks.provenance:Provenance",
        "memory": "detent.gate.checks.memory:Memory",
        "growth": "detent.gate.checks.growth:Growth",
        "cost": "detent.gate.checks.cost:Cost",
        "touch": "detent.gate.checks.touch:TouchingRows",
        "permuted": "detent.gate.checks.permuted:PermutedControl",
        "custom": "detent.gate.checks.custom:Custom",
        "robustness": "detent.gate.checks.robustness:Robustness",
        "monotone": "detent.gate.checks.moved:Monotone",
        "invariant": "detent.gate.checks.moved:Invariant",
    },
    "detector": {
        "ks": "detent.monitor.detectors.ks:Ks",
        "ranks": "detent.monitor.detectors.ranks:Ranks",
        "chi2": "detent.monitor.detectors.chi2:Chi2",
        "nulls": "detent.monitor.detectors.nulls:Nulls",
        "novel": "detent.monitor.detectors.novel:Novel",
    },
    "channel": {
        "alertmanager": "detent.monitor.channels.alertmanager:AlertmanagerChannel",
        "email": "detent.monitor.channels.email:EmailChannel",
        "log": "detent.monitor.channels.log:LogChannel",
        "slack": "detent.monitor.channels.slack:SlackChannel",
        "webhook": "detent.monitor.channels.webhook:WebhookChannel",
    },
    "concept": {
        "edetector": "detent.monitor.concept.edetector:Evidence",
        "adwin": "detent.monitor.concept.adwin:Adwin",
        "page_hinkley": "detent.monitor.concept.page_hinkley:PageHinkley",
    },
    "labels": {
        "file": "detent.predictions.sources.file:fetch",
        "sql": "detent.predictions.sources.sql:fetch",
    },
    "label_stream": {
        "kafka": "detent.predictions.sources.kafka:fetch",
    },
    "picture": {
        "year": "detent.loop.report.picture:draw",
    },
    "sabotage": {
        "bloated": "detent.training.sabotage.bloated:spoil",
        "constant": "detent.training.sabotage.constant:spoil",
        "inverted": "detent.training.sabotage.inverted:spoil",
        "label_flip": "detent.training.sabotage.label_flip:spoil",
        "leak": "detent.training.sabotage.leak:spoil",
        "leak_copy": "detent.training.sabotage.leak_copy:spoil",
        "leak_entity": "detent.training.sabotage.leak_entity:spoil",
        "leak_future": "detent.training.sabotage.leak_future:spoil",
        "memory_leak": "detent.training.sabotage.memory_leak:spoil",
        "nan": "detent.training.sabotage.nan:spoil",
        "over_confident": "detent.training.sabotage.over_confident:spoil",
        "overlap": "detent.training.sabotage.overlap:spoil",
        "poisoned": "detent.training.sabotage.poisoned:spoil",
        "quality_drop": "detent.training.sabotage.quality_drop:spoil",
        "raising": "detent.training.sabotage.raising:spoil",
        "shuffled": "detent.training.sabotage.shuffled:spoil",
        "shuffled_column": "detent.training.sabotage.shuffled_column:spoil",
        "slice_collapse": "detent.training.sabotage.slice_collapse:spoil",
        "slow": "detent.training.sabotage.slow:spoil",
        "stale": "detent.training.sabotage.stale:spoil",
        "time_zone": "detent.training.sabotage.time_zone:spoil",
        "under_confident": "detent.training.sabotage.under_confident:spoil",
        "unit_error": "detent.training.sabotage.unit_error:spoil",
        "wrong_shape": "detent.training.sabotage.wrong_shape:spoil",
    },
}

# Which extra brings a package that is not in the core install.
EXTRAS = {
    "confluent_kafka": "kafka",
    "matplotlib": "report",
    "mlflow": "ui",
    "psycopg": "postgres",
    "river": "drift",
    "ray": "ray",
    "s3fs": "s3",
    "skops": "skops",
    "torch": "torch",
    "xgboost": "xgboost",
}


def names(kind: str) -> tuple[str, ...]:
    """Return every known name of a kind, sorted; nothing is imported."""
    return tuple(sorted({**TABLE[kind], **_third_party(kind)}))


def is_ours(kind: str, name: str) -> bool:
    """Tell whether a name leads to detent's own code."""
    return name in TABLE[kind] and name not in _third_party(kind)


def load(kind: str, name: str) -> Any:
    """Import and return the plug-in `name` of `kind`.

    Raises:
        DetentError: the name is unknown (the nearest ones are suggested).
        MissingExtraError: the plug-in needs a package that is not installed.
    """
    table = {**TABLE[kind], **_third_party(kind)}
    if name not in table:
        raise DetentError(
            what=f"there is no {kind} named `{name}`",
            why=f"a {kind} is looked up by name in the plug-in table and in the entry points `detent.{kind}`",
            fix=did_you_mean(name, tuple(table)),
        )
    module, _, attribute = table[name].partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise missing(error.name or "", wanted_by=f"{kind} `{name}`") from error


def missing(package: str, *, wanted_by: str) -> MissingExtraError:
    """Build the error for an optional package that is not installed."""
    top = package.partition(".")[0]
    install = f"pip install 'detent[{EXTRAS[top]}]'" if top in EXTRAS else f"pip install {top}"
    return MissingExtraError(
        what=f"{wanted_by} needs the package `{top}`, which is not installed",
        why="the core install is kept small; heavy packages are extras",
        fix=install,
    )


@cache
def _third_party(kind: str) -> dict[str, str]:
    return {point.name: point.value for point in metadata.entry_points(group=f"detent.{kind}")}
