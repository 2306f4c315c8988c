"""What people read: a simulated year on one page, the monitor's report, an incident, a model card.

In: the ledger, findings, episodes, verdicts, scored rows. Out: pages, texts, records. Nothing here decides anything.
"""
