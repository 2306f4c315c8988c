"""What the maker of a bundle must know about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """Everything a manifest says that can't be read from the files."""

    model: str  # registered model name
    predictor: str = "onnx"  # plug-in that runs it
    task: str  # "binary" | "regression" | "multiclass"
    label: str  # label column
    data_digest: str  # digest of the training rows
    code_digest: str  # fingerprint of the pipeline's code
    policy_digest: str  # gate section at training time
    environment_digest: str  # interpreter and library versions
    params: tuple[tuple[str, str], ...]
    run: str  # run id
    created_at: str  # ISO time
    origin: str = "pipeline"  # or "import", or "sabotage:<kind>"
    notes: tuple[str, ...] = ()  # sentences for the card; not in the manifest
