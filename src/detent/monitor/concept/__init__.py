"""Losses of answers, one after the other -> an alarm when they have become worse. One file per way to tell."""
