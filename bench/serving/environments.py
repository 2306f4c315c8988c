"""One virtual environment for each tool, with pinned versions, made by uv from wheels with compiled modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNTIME = ["onnxruntime==1.31.1"]  # everybody runs the model with it
HTTP = ["uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"]
PACKAGES = {
    "detent": [str(ROOT), "--constraint", str(ROOT / "requirements.lock"), "--reinstall-package", "detent"],
    "raw": ["uvloop==0.23.0", "httptools==0.9.0", "msgspec==0.22.0", "numpy==2.4.6"],
    "fastapi": ["fastapi==0.165.0", *HTTP, "numpy==2.4.6"],
    # uvloop and httptools are what uvicorn's own manual installs for production: uvicorn[standard].
    "mlflow": ["mlflow==3.17.2", "onnx==1.23.2", *HTTP],
    "bentoml": ["bentoml==1.4.39", *HTTP],
    "litserve": ["litserve==0.2.19", *HTTP],
    # Its parallel workers ask for an event loop in a way that newer uvloops refuse.
    "mlserver": ["mlserver==1.7.1", "uvicorn==0.54.0", "uvloop==0.21.0", "httptools==0.9.0"],
    "kserve": ["kserve==0.21.0", *HTTP],
    "pytriton": ["nvidia-pytriton==0.7.0"],
    "rayserve": ["ray[serve]==2.60.0", *HTTP, "numpy==2.4.6"],  # HAProxy comes with it
}
# Triton brings a Python 3.11 of its own and runs the environment's standard library; with that of 3.11.7 it fails.
PYTHON = {"pytriton": "/usr/bin/python3.11"}
DISTRIBUTION = {"raw": "uvloop", "pytriton": "nvidia-pytriton", "rayserve": "ray"}


def create(cache: Path, names: list[str]) -> None:
    """Make the environments that are not there yet. detent is installed anew each time: its version does not change."""
    for name in names:
        ready = cache / f"{name}.ready"
        wanted = "\n".join([sys.version, *PACKAGES[name], *RUNTIME])
        if name != "detent" and ready.exists() and ready.read_text() == wanted:
            continue
        print(f"environment of {name}", file=sys.stderr, flush=True)
        python = str(python_of(cache, name))
        base = PYTHON[name] if name in PYTHON and Path(PYTHON[name]).exists() else sys.executable
        _uv("venv", "--quiet", "--allow-existing", "--python", base, str(cache / name))
        _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", python, *PACKAGES[name], *RUNTIME)
        ready.write_text(wanted)


def python_of(cache: Path, name: str) -> Path:
    return cache / name / "bin" / "python"


def installed(cache: Path, name: str) -> str:
    """The version of a tool, as its environment says it."""
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    command = [str(python_of(cache, name)), "-c", code, DISTRIBUTION.get(name, name)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _uv(*arguments: str) -> None:
    # With this variable uv would keep no compiled modules, and each start of a tool would compile its imports anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(["uv", *arguments], check=True, env=environment)
