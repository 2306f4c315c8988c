"""From a passing verdict to all traffic, step by step, and back at once when something is wrong.

In: aliases, rollouts, the prediction log. Out: routes, decisions and why they were taken.
"""
