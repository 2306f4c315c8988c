"""Who takes part: how each server is started, what it is asked and where the score stands in its answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from environments import python_of

SERVERS = Path(__file__).parent / "servers"
NAMES = [f"f{number}" for number in range(20)]
Rows = Sequence[Sequence[float | str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One server with one set of settings."""

    name: str
    environment: str
    command: Callable[[Place], list[str]]
    path: str
    body: Callable[[Rows], object]  # rows in the server's natural JSON
    before: str  # text of the answer after which the score stands; "echo": the answer is the body
    mode: str = ""  # BENCH_MODE
    prepare: Callable[[Place], list[str]] | None = None  # a command that is run once before the start
    headers: tuple[tuple[str, str], ...] = ()
    main: bool = True  # False: a variant, measured in the closed loop of m1 only
    mixed: bool = False  # takes rows of numbers and texts: measured in the closed loop of m2

    def payload(self, rows: Rows) -> bytes:
        return json.dumps(self.body(rows)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one life of a server happens."""

    python: str
    port: int
    model: Path  # folder of models.py
    folder: Path  # empty, for the server's own files


def _script(name: str) -> Callable[[Place], list[str]]:
    return lambda place: [place.python, str(SERVERS / name)]


def _uvicorn(app: str) -> Callable[[Place], list[str]]:
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return lambda place: [place.python, "-m", "uvicorn", app, "--workers", "1", "--port", str(place.port), *options]


def _mlflow(kind: str) -> Callable[[Place], list[str]]:
    """What `mlflow models serve --env-manager local` starts, without its access log."""
    app = _uvicorn("mlflow.pyfunc.scoring_server.app:app")
    return lambda place: ["env", f"__pyfunc_model_path__={place.model / f'mlflow-{kind}'}", *app(place)]


def _bentoml(place: Place) -> list[str]:
    serve = [str(Path(place.python).parent / "bentoml"), "serve", "bentoml_service:Model"]
    return [*serve, "--working-dir", str(SERVERS), "--host", "127.0.0.1", "--port", str(place.port)]


def _save_mlflow(place: Place) -> list[str]:
    return [place.python, str(SERVERS / "mlflow_models.py"), str(place.model)]


def _write_mlserver(place: Place) -> list[str]:
    return [place.python, str(SERVERS / "mlserver_runtime.py"), str(place.folder)]


def _mlserver(place: Place) -> list[str]:
    return [str(Path(place.python).parent / "mlserver"), "start", str(place.folder)]


def _named(rows: Rows) -> object:
    return {"inputs": [dict(zip(NAMES, row, strict=True)) for row in rows]}


def _instances(rows: Rows) -> object:
    return {"instances": rows}


def _tensor(rows: Rows) -> object:
    return {"inputs": rows}


def _frame(rows: Rows) -> object:
    return {"dataframe_split": {"columns": NAMES, "data": rows}}


def _v2(rows: Rows) -> object:
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "x", "shape": [len(rows), len(NAMES)], "datatype": "FP32", "data": data}]}


_KEY = (("authorization", "Bearer dk_key1_bench"),)


def _detent(name: str, mode: str, *, main: bool = False) -> Contestant:
    return Contestant(
        name=name, environment="detent", command=_script("gateway.py"), mode=mode, path="/v1/models/bench:predict",
        body=_named, before='"score":', headers=() if mode == "bare" else _KEY, main=main, mixed=main,
    )  # fmt: skip


def _ray(name: str, mode: str, *, main: bool = False) -> Contestant:
    return Contestant(
        name=name, environment="rayserve", command=_script("rayserve_app.py"), mode=mode, path="/predict",
        body=_instances, before='"predictions":', main=main, mixed=main,
    )  # fmt: skip


ALL = (
    Contestant(
        name="echo (raw protocol)", environment="raw", command=_script("raw.py"), mode="echo", path="/predict",
        body=_instances, before="echo", main=False,
    ),
    Contestant(
        name="L0: echo + model", environment="raw", command=_script("raw.py"), mode="model", path="/predict",
        body=_instances, before='"predictions":', mixed=True,
    ),
    _detent("detent", "all", main=True),
    _detent("detent, no key, no log", "bare"),
    _detent("detent, fast path off", "asgi"),
    Contestant(
        name="FastAPI, async", environment="fastapi", command=_uvicorn("fastapi_app:app"), mode="async",
        path="/predict", body=_instances, before='"predictions":', mixed=True,
    ),
    Contestant(
        name="FastAPI, sync", environment="fastapi", command=_uvicorn("fastapi_app:app"), mode="sync",
        path="/predict", body=_instances, before='"predictions":', main=False,
    ),
    Contestant(
        name="KServe, V1", environment="kserve", command=_script("kserve_app.py"), path="/v1/models/bench:predict",
        body=_instances, before='"predictions":', mixed=True,
    ),
    Contestant(
        name="KServe, V2", environment="kserve", command=_script("kserve_app.py"), path="/v2/models/bench/infer",
        body=_v2, before='"data":', main=False,
    ),
    Contestant(
        name="MLServer", environment="mlserver", command=_mlserver, mode="0", prepare=_write_mlserver,
        path="/v2/models/bench/infer", body=_v2, before='"data":',
    ),
    Contestant(
        name="MLServer, 1 parallel worker", environment="mlserver", command=_mlserver, mode="1",
        prepare=_write_mlserver, path="/v2/models/bench/infer", body=_v2, before='"data":', main=False,
    ),
    Contestant(
        name="pytriton", environment="pytriton", command=_script("pytriton_app.py"), path="/v2/models/bench/infer",
        body=_v2, before='"data":',
    ),
    Contestant(
        name="LitServe", environment="litserve", command=_script("litserve_app.py"), path="/predict",
        body=_instances, before='"predictions":', mixed=True,
    ),
    Contestant(
        name="MLflow, tensor", environment="mlflow", command=_mlflow("tensor"), prepare=_save_mlflow,
        path="/invocations", body=_tensor, before='"y":',
    ),
    Contestant(
        name="MLflow, DataFrame", environment="mlflow", command=_mlflow("frame"), prepare=_save_mlflow,
        path="/invocations", body=_frame, before='"y":', main=False, mixed=True,
    ),
    Contestant(
        name="BentoML, batchable", environment="bentoml", command=_bentoml, mode="batch", path="/predict",
        body=_instances, before="",
    ),
    Contestant(
        name="BentoML", environment="bentoml", command=_bentoml, mode="single", path="/predict",
        body=_instances, before="", main=False,
    ),
    _ray("Ray Serve, HAProxy", "haproxy", main=True),
    _ray("Ray Serve, HAProxy, batching", "batch"),
    _ray("Ray Serve, Python proxy", "proxy"),
)  # fmt: skip


def place(cache: Path, contestant: Contestant, model: str, port: int) -> Place:
    python = str(python_of(cache, contestant.environment))
    return Place(python=python, port=port, model=cache / "models" / model, folder=cache / "work" / "server")


if sys.platform != "linux":
    raise SystemExit("bench/serving reads /proc: it needs Linux")
