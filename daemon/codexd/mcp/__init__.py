"""MCP servers: their connections, the tools that they offer, and the calls of these tools."""
