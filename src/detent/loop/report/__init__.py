"""A year on one page: what the simulation shows to people, as a picture and as HTML.

In: the ledger and the scored rows. Out: files. Nothing here decides anything.
"""
