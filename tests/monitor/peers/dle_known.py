"""What `dle.py` printed with NannyML 0.13.1 and LightGBM's defaults: "SHIFT SEED" -> expected errors of a window."""

from __future__ import annotations

KNOWN = {
    "same 0": {"mae": 1.365458646, "rmse": 1.785136078},
    "near 0": {"mae": 1.521342514, "rmse": 1.974404088},
    "size 0": {"mae": 1.581969916, "rmse": 2.032581662},
    "kind 0": {"mae": 1.559195709, "rmse": 2.00596492},
    "both 0": {"mae": 1.603966091, "rmse": 2.039541005},
    "turned 0": {"mae": 1.365458646, "rmse": 1.785136078},
    "same 1": {"mae": 1.431836652, "rmse": 1.912367315},
    "near 1": {"mae": 1.494555709, "rmse": 1.957642399},
    "size 1": {"mae": 1.720528279, "rmse": 2.359400785},
    "kind 1": {"mae": 1.671198351, "rmse": 2.235188163},
    "both 1": {"mae": 1.64066399, "rmse": 2.184147309},
    "turned 1": {"mae": 1.431836652, "rmse": 1.912367315},
    "same 2": {"mae": 1.402791209, "rmse": 1.832703878},
    "near 2": {"mae": 1.566423555, "rmse": 1.998180422},
    "size 2": {"mae": 1.629735958, "rmse": 2.114645826},
    "kind 2": {"mae": 1.619402876, "rmse": 2.086912511},
    "both 2": {"mae": 1.640978006, "rmse": 2.105181783},
    "turned 2": {"mae": 1.402791209, "rmse": 1.832703878},
}
