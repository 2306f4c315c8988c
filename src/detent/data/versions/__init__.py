"""Versions of files: folders, single files and whole object-store prefixes as immutable, diffable snapshots.

In: a path or URL. Out: a Merkle manifest in the blob store and one row of history per version. One module per verb:
`add`, `diff`, `checkout`, `export`, `sweep`. Cuts of declared tables (`detent.data.ingest`) stand in the same history.
It knows nothing about runs, models or pipelines.
"""
