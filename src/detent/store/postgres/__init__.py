"""PostgreSQL as the database of a project that several machines work at.

Begin with `database.py`. psycopg is an extra (`pip install 'detent[postgres]'`), so nothing is imported here.
"""
