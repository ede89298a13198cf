"""Threads that work with threads: the tools of a model for them, with a cap on depth and number."""
