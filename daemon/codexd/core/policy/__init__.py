"""When a person is asked before a tool call, and which commands are known to only read."""
