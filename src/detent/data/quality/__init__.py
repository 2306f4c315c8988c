"""Training and evaluation rows -> what is wrong with them: duplicates, near duplicates, overlap, leakage.

In: frames, and which column is key, time, entity and label. Out: one frozen report. Nothing is changed or dropped.
"""
