"""From a verified folder to something that predicts."""

from __future__ import annotations

from pathlib import Path

from detent import plugins
from detent.bundle import codec
from detent.bundle.protocol import Predictor


def load(folder: Path) -> Predictor:
    """Return the predictor that the manifest names. Call `verify` or `admit` first: nothing is checked twice here.

    Raises:
        TamperedError: manifest or signature are not ours.
        RefusedError: the model file holds what the predictor does not run.
        DetentError: the manifest names an unknown predictor.
    """
    manifest = codec.manifest_from_json((folder / "manifest.json").read_bytes())
    signature = codec.signature_from_json((folder / "signature.json").read_bytes())
    return plugins.load("predictor", manifest.predictor).open(folder, signature)
