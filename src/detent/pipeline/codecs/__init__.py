"""Values <-> blobs: frames as Parquet, arrays as npy, plain values as JSON, objects with save and load as folders.

In: a value, a blob store. Out: an artifact, and the value again. Equal values give equal digests. Pickle is never used:
a stored artifact can't run code. A codec's module, and the library it needs, is imported when it is first used.
"""
