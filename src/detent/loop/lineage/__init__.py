"""What was made from what, over the tables of several rooms, for people and for lineage servers.

In: rows of runs, steps, snapshots and verdicts. Out: trees of ancestry and descent, OpenLineage events.
"""
