"""Small real bundles whose models fail on request, and a project state folder that serves them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper

from detent.bundle import codec
from detent.bundle.facts import ManifestFacts
from detent.bundle.pack import manifest_digest, pack
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.protocol import Golden
from detent.bundle.sign import seal, sign, write_verdict
from detent.records.check import Verdict
from detent.records.profile import Profile
from detent.records.route import Arm, Route
from detent.records.signature import Field, Signature
from detent.serving import places
from detent.serving.models.locate import Located, write_index
from detent.serving.pages.routes import RoutePage
from detent.serving.workers.settings import SupervisorSettings

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
MODEL = "flights"
ENDPOINT = "flights"
SIGNATURE = Signature(
    inputs=(
        Field(name="temp", kind="number", nullable=True),
        Field(name="hour", kind="integer", nullable=False),
        Field(name="origin", kind="string", nullable=True),
        Field(name="wet", kind="boolean", nullable=False),
    ),
    output="probability",
)
ROW = {"temp": -5.0, "hour": 7, "origin": "JFK", "wet": False}
POISON = {**ROW, "temp": 2000.0}  # the model raises
NAN = {**ROW, "temp": -2000.0}  # the model says NaN
OUTSIDE = {**ROW, "hour": 99}  # the model says 5.1


def make_graph(base: float, raises_from: float = 1000.0) -> onnx.ModelProto:
    """base, and 5 more from hour 99 on; NaN below temp -1000; raises from temp `raises_from` on."""
    column = lambda name, kind: helper.make_tensor_value_info(name, kind, [None, 1])  # noqa: E731
    scalar = lambda name, value: helper.make_tensor(name, TensorProto.FLOAT, [1], [value])  # noqa: E731
    nodes = [
        helper.make_node("IsNaN", ["temp"], ["_empty"]),
        helper.make_node("Where", ["_empty", "_zero", "temp"], ["_temp"]),
        helper.make_node("GreaterOrEqual", ["_temp", "_limit"], ["_hot"]),
        helper.make_node("Cast", ["_hot"], ["_index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["_table", "_index"], ["_base"]),  # index 1 lies outside a table of one
        helper.make_node("Add", ["_temp", "_thousand"], ["_above"]),
        helper.make_node("Sqrt", ["_above"], ["_root"]),
        helper.make_node("Mul", ["_root", "_zero"], ["_nothing"]),
        helper.make_node("GreaterOrEqual", ["hour", "_ninety_nine"], ["_late"]),
        helper.make_node("Where", ["_late", "_five", "_zero"], ["_extra"]),
        helper.make_node(
            "LabelEncoder", ["origin"], ["_o"], domain="ai.onnx.ml",
            keys_strings=["JFK"], values_floats=[0.0], default_float=0.0,
        ),
        helper.make_node("Mul", ["wet", "_zero"], ["_w"]),
        helper.make_node("Sum", ["_base", "_nothing", "_extra", "_o", "_w"], ["score"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "tiny",
        [column(name, TensorProto.FLOAT) for name in ("temp", "hour", "wet")] + [column("origin", TensorProto.STRING)],
        [column("score", TensorProto.FLOAT)],
        [
            scalar("_zero", 0.0),
            scalar("_limit", raises_from),
            scalar("_table", base),
            scalar("_thousand", 1000.0),
            scalar("_ninety_nine", 99.0),
            scalar("_five", 5.0),
        ],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def score_of(number: int) -> float:
    """The score that version `number` gives to ROW."""
    return number / 100


def make_bundle(
    folder: Path,
    number: int,
    *,
    raises_from: float = 1000.0,
    decision: str = "pass",
    model: str = MODEL,
    skew: float = 0.0,
    key: Ed25519PrivateKey = KEY,
    signature: Signature = SIGNATURE,
    reference: bytes | None = None,
) -> Path:
    """Write a packed, signed and judged bundle; `skew` is added to the stored golden scores."""
    folder.mkdir(parents=True)
    data = make_graph(score_of(number), raises_from).SerializeToString(deterministic=True)
    rows = {"temp": (-20.5, -30.0), "hour": (7, 8), "origin": ("JFK", None), "wet": (False, True)}
    scores = tuple(OnnxPredictor(data, signature).predict(rows).tolist())
    (folder / "model.onnx").write_bytes(data)
    (folder / "signature.json").write_bytes(codec.signature_to_json(signature))
    (folder / "profile.json").write_bytes(codec.profile_to_json(Profile(rows=2, columns=())))
    golden = Golden(rows=rows, scores=tuple(score + skew for score in scores))
    (folder / "golden.json").write_bytes(codec.golden_to_json(golden))
    if reference is not None:
        (folder / "reference.bin").write_bytes(reference)
    facts = ManifestFacts(
        model=model, task="binary", label="late", data_digest="d" * 64, code_digest="c" * 64, policy_digest="e" * 64,
        environment_digest="f" * 64, params=(), run=f"run-{number}", created_at="2013-06-01T00:00:00.000000+00:00",
    )  # fmt: skip
    pack(folder, facts=facts)
    sign(folder, key)
    verdict = Verdict(
        id="1" * 64, decision=decision, results=(), model_digest=manifest_digest(folder), data_digest="d" * 64,
        policy_digest="e" * 64, champion_digest=None, reason="roc_auc is 0.7",
        judged_at="2013-06-01T00:00:00.000000+00:00",
    )  # fmt: skip
    write_verdict(folder, seal(verdict, key))
    return folder


@dataclass
class World:
    """A state folder with an index of versions and a route page."""

    state: Path
    folders: dict[int, Path] = field(default_factory=dict)
    seq: int = 0

    @property
    def page(self) -> RoutePage:
        return RoutePage(places.route_page(self.state))

    def ship(self, number: int, folder: Path) -> None:
        """Put a version into the index, as the control plane does after registration."""
        self.folders[number] = folder
        write_index(
            self.state,
            {
                f"{MODEL}/{known}": Located(digest=manifest_digest(path), folder=str(path))
                for known, path in self.folders.items()
            },
        )

    def route(
        self,
        *arms: tuple[int, int],
        fallback: int | None = None,
        shadows: tuple[int, ...] = (),
        loaded: tuple[int, ...] | None = None,
        salt: str = "salt",
    ) -> Route:
        """Write a new route: arms are (version, basis points)."""
        self.seq += 1
        route = Route(
            endpoint=ENDPOINT,
            model=MODEL,
            seq=self.seq,
            arms=tuple(Arm(version=version, weight=weight) for version, weight in arms),
            shadows=shadows,
            fallback=fallback,
            loaded=tuple(version for version, _ in arms) if loaded is None else loaded,
            salt=salt,
        )
        self.page.write([route])
        return route

    def settings(self, **changes: object) -> SupervisorSettings:
        """Settings of two workers that keep labels in `detent.db` of the state folder."""
        settings = SupervisorSettings(
            state=self.state,
            endpoints=(ENDPOINT,),
            public_key=PUBLIC,
            workers=2,
            entity=((ENDPOINT, "origin"),),
            entry=(sys.executable, str(Path(__file__).parent / "entry_with_labels.py")),
        )
        return replace(settings, **changes)  # type: ignore[arg-type]


def body(*rows: object, **more: object) -> bytes:
    """A request body."""
    return json.dumps({"inputs": list(rows), **more}).encode()
