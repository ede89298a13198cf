"""The facts of a thread, and how a record holds one."""
