"""The truth about answers, as it comes: from files, queries, streams and people.

In: declared places of labels. Out: labels in the predictions' store, faults that are told.
"""
