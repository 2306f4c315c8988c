import json
from pathlib import Path

import numpy as np
from helpers import fit

Path("model.json").write_text(json.dumps(fit(np.load("features.npy"))))
