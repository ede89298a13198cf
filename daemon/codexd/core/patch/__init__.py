"""The patch dialect of agents: read, placed in the files that it changes, and shown as a diff. Pure."""
