"""The kinds of check, one per file, found by name in the plug-in table; each is a `gate.protocol.CheckPlugin`.

In: one line of the gate section and the evidence. Out: what was measured and concluded, in a sentence to act upon.
A check knows nothing about other checks: the verdict over all of them is the judge's.
"""
