"""Processes that outlive the daemon: the port to the keeper, which owns them, and its client."""
