"""One virtual environment for each tool, with pinned versions, made by uv from wheels with compiled modules."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ["polars==2.1.0", "numpy==2.4.6", "scikit-learn==1.9.1"]  # what the steps of the cases import
PACKAGES = {
    "bare": [],
    "detent": [str(ROOT), "--constraint", str(ROOT / "requirements.lock"), "--reinstall-package", "detent"],
    "dvc": ["dvc==3.67.1"],
    "zenml": ["zenml[local]==0.98.0"],
    "metaflow": ["metaflow==2.19.39"],
    # Prefect 3.8 asks for fastapi >= 0.139 and breaks with 0.155 and later, where `Body(min_items=)` is gone.
    "prefect": ["prefect==3.8.8", "fastapi==0.150.0"],
    "kedro": ["kedro==1.7.0", "kedro-datasets==9.6.0"],
    "dagster": ["dagster==1.13.29"],
    "hamilton": ["sf-hamilton==1.90.0"],
}
DISTRIBUTION = {"hamilton": "sf-hamilton"}


def create(cache: Path, names: list[str]) -> None:
    """Make the environments that are not there yet. detent is installed anew each time: its version does not change."""
    for name in names:
        python = python_of(cache, name)
        ready = cache / f"{name}.ready"
        wanted = "\n".join([sys.version, *PACKAGES[name], *SHARED])
        if name != "detent" and ready.exists() and ready.read_text() == wanted:
            continue
        print(f"environment of {name}", file=sys.stderr, flush=True)
        uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(cache / name))
        uv("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *PACKAGES[name], *SHARED)
        ready.write_text(wanted)


def python_of(cache: Path, name: str) -> Path:
    return cache / name / "bin" / "python"


def uv(*arguments: str) -> None:
    # Without this variable uv compiles; with it every start of a tool would compile its imports anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(["uv", *arguments], check=True, env=environment)


def installed(cache: Path, name: str) -> str:
    """The version of a tool, as its environment says it."""
    if name == "bare":
        return sys.version.split()[0]
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    command = [str(python_of(cache, name)), "-c", code, DISTRIBUTION.get(name, name)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def install_wheel(cache: Path, name: str, wheel: Path) -> None:
    uv("pip", "install", "--quiet", "--no-deps", "--no-index", "--python", str(python_of(cache, name)), str(wheel))


def uninstall(cache: Path, name: str, distribution: str) -> None:
    uv("pip", "uninstall", "--quiet", "--python", str(python_of(cache, name)), distribution)


def make_wheel(folder: Path, distribution: str, number: str, source: str) -> Path:
    """A wheel of one module, `bench_ratio` for the distribution `bench-ratio`."""
    module = distribution.replace("-", "_")
    info = f"{module}-{number}.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {number}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{number}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0)), text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def uv_version() -> str:
    try:
        return f"uv {version('uv')}"
    except ModuleNotFoundError:
        return subprocess.run(["uv", "--version"], check=True, capture_output=True, text=True).stdout.split(" (")[0]
