"""The approval policy: which tool calls need approval, and which commands are known to only read."""
