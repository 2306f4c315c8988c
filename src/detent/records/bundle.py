"""The manifest of a bundle: what a run produces and a server loads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Digests of everything that makes a model, bound together and signed."""

    model: str  # registered model name
    predictor: str  # plug-in that runs it: "onnx"
    task: str  # "binary" | "regression" | "multiclass"
    label: str  # label column
    files: tuple[tuple[str, str], ...]  # (relative path, sha256), sorted
    data_digest: str  # digest of the training rows
    code_digest: str  # fingerprint of the pipeline's code
    policy_digest: str  # gate section at training time
    environment_digest: str  # interpreter and library versions
    params: tuple[tuple[str, str], ...]
    run: str  # run id
    created_at: str  # ISO time
    origin: str  # "pipeline", "import" or "sabotage:<kind>"
