"""Bytes on a connection -> a predict request, or whatever else this server is asked; and answers -> bytes."""
