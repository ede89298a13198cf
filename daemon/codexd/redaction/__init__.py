"""Secrets never reach a log: which values are secret, how they are found in bytes, and what stands for them."""
