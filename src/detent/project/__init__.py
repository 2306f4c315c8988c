"""detent.yaml and the Python it names -> records.Project.

In: a folder. Out: one frozen record in which every reference was checked, or an error that names file, line and column.
The only package that reads the environment. It knows nothing about data, models or servers.
"""

from detent.project.load import load

__all__ = ["load"]
