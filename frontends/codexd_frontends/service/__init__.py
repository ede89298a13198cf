"""The service managers of the platforms: what is installed there, and how the daemon is started by them."""
