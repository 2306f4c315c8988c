"""What the trigger hears, and what is done: go back, train, or ask somebody.

In: findings, calls, new rows, burnt budget. Out: one stored decision per look, carried out once.
"""
