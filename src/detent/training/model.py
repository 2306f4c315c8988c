"""What a trainer gives: the exported model and everything that makes it checkable elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from detent.bundle import codec
from detent.bundle.protocol import Golden
from detent.errors import DataError, Place
from detent.records.profile import Profile
from detent.records.signature import Signature

NOTES_NAME = "training.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A trained, exported model. It passes between steps as a folder, and the same model always has the same bytes."""

    onnx: bytes  # one graph: a column per input in, one score per row out
    signature: Signature
    profile: Profile  # reference profile of the training rows, with the model's own scores as "prediction"
    golden: Golden
    task: str  # "binary" | "regression" | "multiclass"
    label: str
    params: tuple[tuple[str, str], ...] = ()  # the trainer's parameters, sorted by name
    notes: tuple[str, ...] = ()  # sentences for the model card

    def save(self, folder: Path) -> None:
        """Write model.onnx, signature.json, profile.json, golden.json and training.json into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(self.onnx)
        (folder / "signature.json").write_bytes(codec.signature_to_json(self.signature))
        (folder / "profile.json").write_bytes(codec.profile_to_json(self.profile))
        (folder / "golden.json").write_bytes(codec.golden_to_json(self.golden))
        facts = _Facts(task=self.task, label=self.label, params=self.params, notes=self.notes)
        (folder / NOTES_NAME).write_bytes(msgspec.json.encode(facts, order="sorted"))

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read what `save` wrote.

        Raises:
            DataError: a file is missing or is not ours.
        """
        try:
            facts = msgspec.json.decode((folder / NOTES_NAME).read_bytes(), type=_Facts)
            return cls(
                onnx=(folder / "model.onnx").read_bytes(),
                signature=codec.signature_from_json((folder / "signature.json").read_bytes()),
                profile=codec.profile_from_json((folder / "profile.json").read_bytes()),
                golden=codec.golden_from_json((folder / "golden.json").read_bytes()),
                task=facts.task,
                label=facts.label,
                params=facts.params,
                notes=facts.notes,
            )
        except (FileNotFoundError, msgspec.DecodeError) as error:
            raise DataError(
                what="the folder does not hold a saved model",
                why=str(error)[:300],
                fix="give the folder that `model.save` wrote, or run the training step again",
                where=Place(file=str(folder)),
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    task: str
    label: str
    params: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
