"""What a model file from elsewhere is: which predictor runs it, and what it says of its inputs and its output.

Nothing that could run code is run: formats are told by suffix and looked into by their own inspectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnxruntime
import yaml

from detent.bundle.files import MODEL_FILES, list_files, read_model
from detent.bundle.lightgbm_text import inspect_trees
from detent.bundle.onnx_file import inspect_model
from detent.bundle.predictors.mlp import read_network
from detent.bundle.xgboost_file import inspect_booster
from detent.errors import Place, RefusedError
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING

PROBABILITY, VALUE = "probability", "value"
MAX_MLMODEL = 1 << 20
FOLDER = "model"  # where the sandbox's predictor looks
# kinds of MLflow's signatures; other ones (dates, binary, objects) are no inputs of a table
_KINDS = {"double": NUMBER, "float": NUMBER, "integer": INTEGER, "long": INTEGER, "string": STRING, "boolean": BOOLEAN}
_LIGHTGBM = {
    "binary": PROBABILITY,
    "cross_entropy": PROBABILITY,
    "multiclass": "",
    "multiclassova": "",
    "lambdarank": "",
}
_XGBOOST = {"binary:logistic": PROBABILITY, "reg:logistic": PROBABILITY, "binary:logitraw": "", "binary:hinge": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A model from elsewhere."""

    predictor: str
    files: Mapping[str, Path]  # name in the bundle -> where it lies now
    named: tuple[str, ...] = ()  # names of its inputs, in its own order; () when it has none
    kinds: Mapping[str, str] = field(default_factory=dict)  # what it says of some inputs
    width: int | None = None  # number of its inputs, when it says so
    output: str | None = None  # "probability" | "value"; None: it does not say


def recognise(path: Path) -> Foreign:
    """Return what a file or an MLflow model's folder is.

    Raises:
        RefusedError: no format that is known, damaged, or a kind of model that gives no single score.
    """
    if path.is_symlink():
        raise _unknown(path, "it is a link, and what it leads to can change")
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise _unknown(path, "there is no such file")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise _unknown(path, f"the suffix `{path.suffix}` is none of {', '.join(sorted(_READERS))}")
    return reader(path)


def _onnx(path: Path) -> Foreign:
    data = read_model(path)
    inspect_model(data)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        raise _unknown(path, f"ONNX Runtime can't read it: {str(error)[:200]}") from error
    inputs = session.get_inputs()
    files = {"model.onnx": path}
    first = inputs[0].shape if inputs else []
    wide = len(inputs) == 1 and len(first) == 2 and first[1] != 1
    if not wide:
        return Foreign(predictor="onnx", files=files, named=tuple(node.name for node in inputs), width=len(inputs))
    width = first[1] if isinstance(first[1], int) else None
    said = session.get_modelmeta().custom_metadata_map.get("inputs")
    return Foreign(predictor="onnx", files=files, width=width, named=_listed(said, path))


def _lightgbm(path: Path) -> Foreign:
    facts = inspect_trees(read_model(path))
    said = facts.objective.partition(" ")[0]
    output = _LIGHTGBM.get(said, VALUE) if said else None
    if output == "":
        raise _unknown(path, f"its objective `{said}` gives no single score")
    files = {"model.lgb.txt": path}
    return Foreign(predictor="lightgbm", files=files, named=facts.named, width=len(facts.features), output=output)


def _xgboost(path: Path) -> Foreign:
    facts = inspect_booster(read_model(path))
    output = _XGBOOST.get(facts.objective, VALUE)
    if output == "" or facts.objective.startswith(("multi:", "rank:")):
        raise _unknown(path, f"its objective `{facts.objective}` gives no single score to judge")
    files = {"model.xgb": path}
    return Foreign(predictor="xgboost", files=files, named=facts.named, width=facts.features, output=output)


def _json(path: Path) -> Foreign:
    if path.name.endswith("remote.json"):
        return Foreign(predictor="remote", files={"remote.json": path})
    return _xgboost(path)


def _mlp(path: Path) -> Foreign:
    network = read_network(read_model(path))
    output = PROBABILITY if network.output == "sigmoid" else VALUE
    width = network.layers[0][0].shape[0]
    files = {"model.safetensors": path}
    return Foreign(predictor="mlp", files=files, named=network.named, width=width, output=output)


def _plain(predictor: str, name: str) -> Callable[[Path], Foreign]:
    return lambda path: Foreign(predictor=predictor, files={name: path})


def _pickle(path: Path) -> Foreign:
    name = "model.joblib" if path.suffix.lower() == ".joblib" else "model.pkl"
    return Foreign(predictor="sandbox", files={f"{FOLDER}/{name}": path})


_READERS: dict[str, Callable[[Path], Foreign]] = {
    ".onnx": _onnx,
    **dict.fromkeys((".txt", ".lgb"), _lightgbm),
    **dict.fromkeys((".ubj", ".xgb"), _xgboost),
    ".json": _json,
    ".safetensors": _mlp,
    ".skops": _plain("skops", "model.skops"),
    ".pt2": _plain("torch", "model.pt2"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), _pickle),
}


def _folder(path: Path) -> Foreign:
    """An MLflow model: the model file of a flavour that is data, else the whole folder, which is code."""
    about = _mlmodel(path)
    named, kinds = _signature(about, path)
    inner = _model_file(path, about)
    found = recognise(inner) if inner is not None else _pyfunc(path)
    written = {name.replace(" ", "_") for name in named}  # as LightGBM writes them
    if found.named and named and set(found.named) not in (set(named), written):
        raise _unknown(path, f"its signature names {list(named)[:20]}, and its model {list(found.named)[:20]}")
    return replace(found, named=found.named or named, kinds=kinds)


def _mlmodel(path: Path) -> dict[str, Any]:
    file = path / "MLmodel"
    if not file.is_file() or file.is_symlink() or file.stat().st_size > MAX_MLMODEL:
        raise _unknown(path, "a folder must hold a plain file `MLmodel`, as MLflow writes it")
    try:
        about = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown(path, f"its `MLmodel` is not plain YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(about, dict) or not isinstance(about.get("flavors"), dict):
        raise _unknown(path, "its `MLmodel` names no flavours")
    return about


def _model_file(path: Path, about: Mapping[str, Any]) -> Path | None:
    for flavour, key in (("onnx", "data"), ("lightgbm", "data"), ("xgboost", "data"), ("sklearn", "pickled_model")):
        said = about["flavors"].get(flavour)
        name = said.get(key) if isinstance(said, dict) else None
        if isinstance(name, str) and Path(name).suffix in _READERS:
            return _inside(path, name)
    loader = about["flavors"].get("python_function")
    if isinstance(loader, dict) and loader.get("loader_module") == "detent.bundle.pyfunc":  # one of our own bundles
        own = [names[0] for names in MODEL_FILES.values() if (path / names[0]).is_file() and names[0] != "trust.json"]
        if own:
            return _inside(path, own[0])
    return None


def _inside(path: Path, name: str) -> Path:
    file = path / name
    if Path(name).is_absolute() or ".." in Path(name).parts or file.is_symlink() or not file.is_file():
        raise _unknown(path, f"its `MLmodel` names `{name[:80]}`, which is no plain file in the folder")
    return file


def _pyfunc(path: Path) -> Foreign:
    files = {f"{FOLDER}/{name}": path / name for name in list_files(path) if "__pycache__" not in name}
    return Foreign(predictor="sandbox", files=files)


def _signature(about: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names and kinds of an MLflow signature's columns; none when it has no columns with names."""
    said = about.get("signature")
    text = said.get("inputs") if isinstance(said, dict) else None
    if not text:
        return (), {}
    try:
        columns = json.loads(text)
        kinds = {str(c["name"]): str(c["type"]) for c in columns if "name" in c and c["type"] != "tensor"}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _unknown(path, f"its signature can't be read: {error}") from error
    foreign = [name for name, kind in kinds.items() if kind not in _KINDS]
    if foreign:
        raise _unknown(path, f"its inputs {foreign[:10]} are neither numbers, text nor booleans")
    return tuple(kinds), {name: _KINDS[kind] for name, kind in kinds.items()}


def _listed(text: str | None, path: Path) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        names = json.loads(text)
    except ValueError:
        names = [name.strip() for name in text.split(",")]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise _unknown(path, "its metadata's `inputs` are no list of names")
    return tuple(names)


def _unknown(path: Path, why: str) -> RefusedError:
    return RefusedError(
        what=f"`{path.name}` can't be imported",
        why=why,
        fix="give a whole .onnx, LightGBM .txt, XGBoost .json or .ubj, .safetensors, .skops, .pt2 or remote.json file, "
        "or the folder of an MLflow model",
        where=Place(file=str(path)),
    )
