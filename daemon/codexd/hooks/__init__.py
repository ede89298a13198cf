"""Hooks: a person's commands that run for events of the log, at least once and in order, with a receipt for each run."""
