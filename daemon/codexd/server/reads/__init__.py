"""Threads read for an answer: lists, pages of turns, points to fork or revert at."""
