"""A candidate before the gate: evidence is collected, a verdict given, explained, given anew, or answered for.

In: a candidate and the champion on the same rows. Out: a sealed verdict in the ledger; waivers.
"""
