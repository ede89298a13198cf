"""The task that owns a loaded thread: decide, append, fold, start what is due."""
