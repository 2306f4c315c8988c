"""Processes behind one port: started, watched, replaced, and put together from the parts of this room."""
