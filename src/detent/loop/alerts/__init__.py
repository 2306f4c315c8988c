"""From findings to people: episodes decide what is news, channels carry it, and somebody asks who still looks.

In: findings of a look. Out: alerts in the ledger and on the declared channels.
"""
