"""The socket, and its connections to clients."""
