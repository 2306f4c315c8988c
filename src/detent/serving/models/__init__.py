"""Versions that passed every check in this process, how they are called, and when they are not."""
