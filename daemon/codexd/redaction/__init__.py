"""Keeps secrets out of logs: which values are secret, how they are found, and their placeholders."""
