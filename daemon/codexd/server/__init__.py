"""The socket: connections in, commands and projections out. It decides nothing."""
