"""What `detent run` does before the gate: data in, held against contracts, steps, a packed candidate.

In: sources and a pipeline. Out: snapshots, a bundle with its reference, and what a next run may skip.
"""
