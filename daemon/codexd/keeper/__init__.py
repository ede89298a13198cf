"""The keeper: a small process of its own that owns the commands of a home, and outlives the daemon."""
