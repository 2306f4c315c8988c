"""The tools, each in the ways that are compared. One file for each tool."""
