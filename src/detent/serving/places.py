"""Where serving keeps its files inside a project's state folder."""

from __future__ import annotations

from pathlib import Path


def route_page(state: Path) -> Path:
    """Return the shared page with the routes."""
    return state / "serving" / "routes.page"


def version_index(state: Path) -> Path:
    """Return the file that says in which local folder each version lies."""
    return state / "serving" / "versions.json"


def acknowledgements(state: Path) -> Path:
    """Return the folder in which each worker says what it holds."""
    return state / "serving" / "workers"


def counter_files(state: Path) -> Path:
    """Return the folder with one file of shared counters per worker."""
    return state / "serving" / "counters"


def gauges(state: Path) -> Path:
    """Return the file with the monitor's gauges, beside the counters, which are shown together with it."""
    return counter_files(state).with_name("gauges.prom")


def following(state: Path) -> Path:
    """Return the file with the gauges about following the shared database, beside the counters."""
    return counter_files(state).with_name("following.prom")


def host_id(state: Path) -> Path:
    """Return the file with what names this state folder among the hosts that share a database."""
    return state / "serving" / "host.id"


def worker_logs(state: Path) -> Path:
    """Return the folder with what workers print."""
    return state / "serving" / "logs"


def segments(state: Path) -> Path:
    """Return the folder of the prediction log."""
    return state / "predictions" / "segments"


def profiles(state: Path) -> Path:
    """Return the folder with what processes counted, a folder per day."""
    return state / "profiles"


def prediction_key(state: Path) -> Path:
    """Return the secret that makes prediction ids unforgeable."""
    return state / "keys" / "predictions.key"


def key_page(state: Path) -> Path:
    """Return the shared page with the API keys."""
    return state / "serving" / "keys.page"


def meters(state: Path) -> Path:
    """Return the shared file with what each API key has used of its limits."""
    return state / "serving" / "meters"
