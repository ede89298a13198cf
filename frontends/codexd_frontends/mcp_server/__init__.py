"""An MCP server on stdin and stdout: other agents' programs list, read, start and await threads of the daemon by it."""
