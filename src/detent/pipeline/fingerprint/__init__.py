"""Project files -> what a function's result depends on in them, found by reading the code, never by running it.

In: a folder, a module and a name. Out: digests of every definition that the name reaches, and the packages it imports.
It knows nothing about steps, caches or data. Where it can't be sure, it takes in more.
"""
