"""detent: bad models cannot reach production, good ones get there and stay fresh.

The public promise is small: the names below, the keys of `detent.yaml`, the HTTP API v1 and the Protocols.
Names load on first use (PEP 562), so that `import detent` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "pipeline": "detent.pipeline",
    "step": "detent.pipeline",
    "Candidate": "detent.pipeline",
    "Model": "detent.training",
    "Split": "detent.data",
    "DetentError": "detent.errors",
    "split_by_time": "detent.data",
    "lightgbm": "detent.training",
    "sklearn": "detent.training",
    "latest_known": "detent.features",
}
__all__ = [*sorted(_WHERE), "__version__"]

if TYPE_CHECKING:
    from detent.data import Split as Split
    from detent.data import split_by_time as split_by_time
    from detent.errors import DetentError as DetentError
    from detent.features import latest_known as latest_known
    from detent.pipeline import Candidate as Candidate
    from detent.pipeline import pipeline as pipeline
    from detent.pipeline import step as step
    from detent.training import Model as Model
    from detent.training import lightgbm as lightgbm
    from detent.training import sklearn as sklearn


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detent' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_WHERE[name]), name)
