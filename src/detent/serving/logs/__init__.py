"""Rows of the prediction log in the kernel's hands before their answer leaves, within a bound, and on the disk."""
