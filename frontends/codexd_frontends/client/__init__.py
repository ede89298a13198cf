"""A connection to the daemon, and what comes over it."""
