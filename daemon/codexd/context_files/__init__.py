"""Texts for the model from files and from the machine: AGENTS.md, the compaction prompt, the environment."""
