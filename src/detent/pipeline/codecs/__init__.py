"""Values <-> blobs: frames as Parquet, arrays as npy, plain values and records as JSON, files and folders as they are.

In: a value, its declared type, a blob store. Out: an artifact, and the value again. Equal values give equal digests;
what would not come back as it was is refused. A stored value can't run code, but for pickles, which must be asked for
by `Pickled[...]`. A codec's module, and the library it needs, is imported when it is first used. Begin with `table.py`.
"""
