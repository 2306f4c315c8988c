"""What `cbpe_classes.py` printed with NannyML 0.13.1: "SHIFT SEED" -> expected quality of a window."""

from __future__ import annotations

KNOWN = {
    "same 0": {
        "accuracy": 0.6768444781746302,
        "f1_macro": 0.6441205180375856,
        "precision_macro": 0.6619386717011346,
        "recall_macro": 0.6325855077163243,
    },
    "harder 0": {
        "accuracy": 0.5002261941681039,
        "f1_macro": 0.3869932214657182,
        "precision_macro": 0.45063377219290424,
        "recall_macro": 0.38128411835887616,
    },
    "shares 0": {
        "accuracy": 0.6599470375533397,
        "f1_macro": 0.6285359393152496,
        "precision_macro": 0.6470276373758825,
        "recall_macro": 0.6173172753054943,
    },
    "turned 0": {
        "accuracy": 0.6768444781746302,
        "f1_macro": 0.6441205180375856,
        "precision_macro": 0.6619386717011346,
        "recall_macro": 0.6325855077163243,
    },
    "same 1": {
        "accuracy": 0.6727572173511728,
        "f1_macro": 0.6495741701777945,
        "precision_macro": 0.6576516138036401,
        "recall_macro": 0.6431472805175747,
    },
    "harder 1": {
        "accuracy": 0.4933561230108806,
        "f1_macro": 0.38586440045631254,
        "precision_macro": 0.4443386881261328,
        "recall_macro": 0.3775655034207161,
    },
    "shares 1": {
        "accuracy": 0.6609611428192652,
        "f1_macro": 0.6342412071124278,
        "precision_macro": 0.6427883448398973,
        "recall_macro": 0.6280054501877916,
    },
    "turned 1": {
        "accuracy": 0.6727572173511728,
        "f1_macro": 0.6495741701777945,
        "precision_macro": 0.6576516138036401,
        "recall_macro": 0.6431472805175747,
    },
}
