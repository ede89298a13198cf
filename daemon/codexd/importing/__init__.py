"""Imports threads of Codex: reads rollouts and writes logs."""
