"""Project files -> what a function's result depends on in them, found by reading the code, never by running it.

In: a folder, a module and a name. Out: every definition that the name reaches, as text and digest, and the packages it
needs. It knows nothing about steps, caches or data. Where it can't be sure, it takes in more.
To read in this order: `read` (a file becomes a sheet), `web` (sheets become a graph), `reach` (a walk), `code`.
"""
