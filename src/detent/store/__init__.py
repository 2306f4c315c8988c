"""Ports without nouns: rows, bytes, time, append-only files and the ledger.

In: statements, bytes, facts. Out: rows, digests, events. This package knows transactions, digests and files;
it knows nothing about models, runs or traffic.
"""
