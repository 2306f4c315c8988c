"""The default process of a worker: `python -m detent.serving.workers.entry SETTINGS`. It keeps no labels.

Whoever wires serving to a label store writes an entry of the same four lines and hands `record_labels` to `main`.
"""

from __future__ import annotations

import sys

from detent.serving.workers.settings import from_argument
from detent.serving.workers.worker import main

if __name__ == "__main__":
    main(from_argument(sys.argv[1]))
