"""Which blobs of a project are needed, by whom, and what becomes of the rest.

In: a project's database and blob store. Out: a report, and on demand fewer blobs. Begin with `collect.py`.
"""
