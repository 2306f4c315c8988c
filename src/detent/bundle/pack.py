"""Turn a folder with a model into a bundle: describe it for people and MLflow, then digest every file."""

from __future__ import annotations

from pathlib import Path

from detent.bundle import card, codec, mlmodel
from detent.bundle.facts import ManifestFacts
from detent.bundle.files import MANIFEST_NAME, OUTSIDE, file_digest, list_files, manifest_digest, required_files
from detent.errors import Place, RefusedError
from detent.records.bundle import Manifest
from detent.store.atomic import write_atomic

__all__ = ["ManifestFacts", "manifest_digest", "pack"]


def pack(folder: Path, *, facts: ManifestFacts) -> Manifest:
    """Write `MLmodel`, `requirements.txt`, `card.md` and then `manifest.json` over all files in `folder`.

    An older signature or verdict in the folder is removed: it was about other bytes.

    Raises:
        RefusedError: a required file is missing, or the folder holds something that is no plain file.
    """
    needed = required_files(facts.predictor)
    for name in needed:
        if not (folder / name).is_file():
            raise RefusedError(
                what=f"the folder can't become a bundle: `{name}` is missing",
                why=f"a bundle of the predictor `{facts.predictor}` holds {', '.join(needed)}",
                fix="save a Model into the folder first (`model.save(folder)`)",
                where=Place(file=str(folder / name)),
            )
    for name in OUTSIDE:
        (folder / name).unlink(missing_ok=True)
    signature = codec.signature_from_json((folder / "signature.json").read_bytes())
    profile = codec.profile_from_json((folder / "profile.json").read_bytes())
    write_atomic(folder / "MLmodel", mlmodel.describe(folder, signature, facts=facts))
    write_atomic(folder / "requirements.txt", mlmodel.requirements(facts.predictor))
    text = card.render(facts, signature, rows=profile.rows)
    write_atomic(folder / "card.md", text.encode())
    manifest = Manifest(
        model=facts.model,
        predictor=facts.predictor,
        task=facts.task,
        label=facts.label,
        files=tuple((name, file_digest(folder / name)) for name in list_files(folder) if name not in OUTSIDE),
        data_digest=facts.data_digest,
        code_digest=facts.code_digest,
        policy_digest=facts.policy_digest,
        environment_digest=facts.environment_digest,
        params=facts.params,
        run=facts.run,
        created_at=facts.created_at,
        origin=facts.origin,
    )
    write_atomic(folder / MANIFEST_NAME, codec.manifest_to_json(manifest))
    return manifest
