"""Bytes -> snapshots: content-addressed, checked, cut at a moment, split, labelled.

In: a declared source, a contract, a moment. Out: frames whose rows were known by then, and records of snapshots.
It knows nothing about features, models or pipelines.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Names load on first use: Pandera costs more to import than all the rest of this room.
_WHERE = {
    "Labelled": "detent.data.target",
    "QualityReport": "detent.data.quality.report",
    "Split": "detent.data.split",
    "check_contract": "detent.data.contract",
    "check_quality": "detent.data.quality.check",
    "split_by_time": "detent.data.split",
    "with_labels": "detent.data.target",
}
__all__ = [
    "Labelled", "QualityReport", "Split", "check_contract", "check_quality", "split_by_time", "with_labels",
]  # fmt: skip

if TYPE_CHECKING:
    from detent.data.contract import check_contract
    from detent.data.quality.check import check_quality
    from detent.data.quality.report import QualityReport
    from detent.data.split import Split, split_by_time
    from detent.data.target import Labelled, with_labels


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detent.data' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
