"""Threads of other programs, read into logs of ours."""
