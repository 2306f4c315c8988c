"""The model file format: what a run produces, what the gate judges and what a server loads.

In: a folder with a model, its signature, its reference profile and golden rows. Out: a signed, verified
folder and a predictor.
This package knows files, digests and scores; it knows nothing about training, the registry or traffic.
"""

from detent.bundle.golden import Golden, replay
from detent.bundle.keys import load_or_create, load_public, public_bytes
from detent.bundle.load import load
from detent.bundle.pack import ManifestFacts, manifest_digest, pack
from detent.bundle.protocol import PredictionError, Predictor
from detent.bundle.publish import fetch, publish
from detent.bundle.sign import seal, sign, write_verdict
from detent.bundle.verify import admit, verify

__all__ = [
    "Golden",
    "ManifestFacts",
    "PredictionError",
    "Predictor",
    "admit",
    "fetch",
    "load",
    "load_or_create",
    "load_public",
    "manifest_digest",
    "pack",
    "public_bytes",
    "publish",
    "replay",
    "seal",
    "sign",
    "verify",
    "write_verdict",
]
