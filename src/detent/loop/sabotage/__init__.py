"""Known-bad candidates, to see that each is stopped where it must be.

In: a kind of sabotage. Out: a candidate shipped through the front door, or an edit behind the gate's back.
"""
