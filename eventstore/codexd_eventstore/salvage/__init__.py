"""Recovers the readable records of a damaged log."""
