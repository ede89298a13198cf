"""The socket, and one client at its other end."""
