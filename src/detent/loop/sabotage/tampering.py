"""Candidates whose model is not to blame: somebody edits a verdict, a bundle or the database behind the gate's back.

Each kind takes the way of an honest candidate as far as it can. `Tampering.stops` says what must refuse it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from detent.bundle.files import VERDICT_NAME
from detent.gate import store as verdicts
from detent.gate.render import to_json
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.runs.candidate import Candidate
from detent.loop.train import register
from detent.loop.workspace import Workspace
from detent.records.check import PASS, Verdict
from detent.records.version import ModelVersion
from detent.registry import versions

REGISTRY, ADMISSION = "registry", "admission"
Act = Callable[[Workspace, Candidate, Verdict], ModelVersion]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """One kind."""

    stops: str  # what refuses it at the latest: the registry, or each serving process' admission
    spoil: str | None  # kind of sabotage that the candidate is; None: an honest twin of the champion
    act: Act  # (project, candidate, its verdict) -> the version that was slipped in; raises where it is refused
    lasting: bool = False  # it leaves rows that make the whole state untrue: nothing trusts that state afterwards


def _forge(ws: Workspace, candidate: Candidate, verdict: Verdict) -> ModelVersion:
    """Say pass where the gate said no, and keep the seal."""
    results = tuple(replace(result, decision=PASS) for result in verdict.results)
    return register(ws, candidate, replace(verdict, decision=PASS, results=results))


def _replay(ws: Workspace, candidate: Candidate, _verdict: Verdict) -> ModelVersion:
    """Come with the verdict that the champion got: its seal is genuine."""
    champion = champion_version(ws)
    assert champion is not None  # nothing is shipped without one
    return register(ws, candidate, verdicts.load(ws.db, champion.verdict))


def _edit_artifact(ws: Workspace, candidate: Candidate, verdict: Verdict) -> ModelVersion:
    """Change one byte of a model that passed, where serving processes find it."""
    version = register(ws, candidate, verdict)
    path = bundle_folder(ws, version) / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    return version


def _swap_bundle(ws: Workspace, candidate: Candidate, verdict: Verdict) -> ModelVersion:
    """Put the champion's bundle, which is genuine and passed, in the place of one that passed."""
    version, champion = register(ws, candidate, verdict), champion_version(ws)
    assert champion is not None
    mine, other = bundle_folder(ws, version), bundle_folder(ws, champion)
    kept = (mine / VERDICT_NAME).read_bytes() if (mine / VERDICT_NAME).is_file() else None
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    if kept is not None:
        (mine / VERDICT_NAME).write_bytes(kept)
    return version


def _edit_database(ws: Workspace, candidate: Candidate, verdict: Verdict) -> ModelVersion:
    """Write a refused candidate into the tables as if it had passed."""
    forged = replace(verdict, decision=PASS)
    number = 1 + max(version.number for version in versions.all_versions(ws.db, ws.model))
    with ws.db.transaction() as tx:
        tx.execute(
            "UPDATE verdicts SET decision = 'pass', verdict = :verdict WHERE id = :id",
            verdict=to_json(forged), id=verdict.id,
        )  # fmt: skip
        tx.execute(
            "INSERT INTO versions (model, number, digest, verdict, run, origin, registered_at) "
            "VALUES (:model, :number, :digest, :verdict, :run, :origin, :at)",
            model=ws.model, number=number, digest=candidate.digest, verdict=verdict.id, run=candidate.run,
            origin=candidate.origin, at=verdict.judged_at,
        )  # fmt: skip
    return versions.get(ws.db, ws.model, number)


KINDS: Mapping[str, Tampering] = MappingProxyType(
    {
        "edited_database": Tampering(stops=ADMISSION, spoil="constant", act=_edit_database, lasting=True),
        "forged_verdict": Tampering(stops=REGISTRY, spoil="constant", act=_forge),
        "replayed_verdict": Tampering(stops=REGISTRY, spoil="constant", act=_replay),
        "swapped_bundle": Tampering(stops=ADMISSION, spoil=None, act=_swap_bundle),
        "tampered_artifact": Tampering(stops=ADMISSION, spoil=None, act=_edit_artifact),
    }
)
