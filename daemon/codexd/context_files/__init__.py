"""What is read from files and from the machine for the model: AGENTS.md, a prompt for compaction, the place where it works."""
