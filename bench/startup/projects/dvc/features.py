import numpy as np
from helpers import widen

np.save("features.npy", widen(np.load("table.npy")))
