"""How the index is made of the logs, in a process of its own."""
