"""HTTP to a provider: connections, server-sent events, chunks."""
