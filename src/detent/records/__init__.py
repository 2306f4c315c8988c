"""The vocabulary: frozen records that travel between rooms, one file per noun.

Nothing here reads a file, a clock or the network, and nothing here imports anything outside the standard library.
"""
