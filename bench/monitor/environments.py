"""One virtual environment for each peer, with pinned versions: their dependencies must not meet ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
PACKAGES = {
    "evidently": ["evidently==0.7.23", "pandas<3"],
    "nannyml": ["nannyml==0.13.1", "pandas<3", "statsmodels"],  # it imports statsmodels without asking for it
    "river": ["river==0.26.1"],
    "whylogs": ["whylogs==1.6.4", "numpy<2", "pandas<3"],
}
# One core each, and no word to anybody outside.
QUIET = {
    "NML_DISABLE_USAGE_LOGGING": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}


def create(cache: Path, name: str) -> Path:
    """Make the environment of a peer if it is not there, and return its Python."""
    python, ready = cache / name / "bin" / "python", cache / f"{name}.ready"
    wanted = "\n".join([sys.version, *PACKAGES[name]])
    if not ready.exists() or ready.read_text() != wanted:
        cache.mkdir(parents=True, exist_ok=True)
        print(f"environment of {name}", file=sys.stderr, flush=True)
        _uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(cache / name))
        _uv("pip", "install", "--quiet", "--python", str(python), *PACKAGES[name])
        ready.write_text(wanted)
    return python


def run_peer(cache: Path, name: str, script: str, *arguments: str, timeout: float = 1800) -> str:
    """Run `peers/SCRIPT` in a peer's environment and return what it printed.

    Raises:
        RuntimeError: it failed; with the last lines that it wrote.
    """
    command = [str(create(cache, name)), str(PEERS / script), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **QUIET}, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {script} failed: {done.stderr[-2000:]}")
    return done.stdout


def version(cache: Path, name: str) -> str:
    """Return the version of a peer, as its environment says it."""
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    command = [str(create(cache, name)), "-c", code, name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(["uv", *arguments], check=True, env=environment)
