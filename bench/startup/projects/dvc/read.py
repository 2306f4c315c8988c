import numpy as np

np.save("table.npy", np.load("data/table.npy"))
